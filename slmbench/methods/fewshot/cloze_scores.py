"""How likely a masked language model finds a few words at the mask, and the label that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.common.progress import Progress
from slmbench.methods.fewshot.cloze_prompts import ClozePrompt
from slmbench.methods.protocols import CLOZE_TOP_N
from slmbench.models import ModelFiles
from slmbench.models.batching import answer_in_batches
from slmbench.models.masked import head_sees_only, load_masked_lm

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


#: Column of a batch that holds the position of each prompt's mask.
_PLACE = "mask_place"
#: Logit of a label that a rule without scores rejects; its probability is 0 in every digit a record keeps.
_REJECTED = -20.0


@dataclass(frozen=True)
class WordScores:
    """How likely some words are at each mask.

    Attributes:
        log_probabilities: Natural logarithm of each word's probability among the whole vocabulary, shape
            (prompts, words), float32.
        ranks: How many tokens of the vocabulary are more likely, shape (prompts, words).
    """

    log_probabilities: np.ndarray
    ranks: np.ndarray


def load_with_head(files: ModelFiles) -> PreTrainedModel:
    """Load a masked language model that has a head of its own.

    Args:
        files: From :func:`slmbench.models.find_model`.

    Returns:
        The model in fp32 on the CPU, ready to answer.

    Raises:
        UsageError: The weights contain no head, so it would be random, or the architecture has none.
        SlmbenchError: The weights do not load.
    """
    loaded = load_masked_lm(files)
    if missing := loaded.new_weights:
        raise UsageError(
            f"'{files.name}' comes without a masked-language-model head ({missing[0]} and {len(missing) - 1} more"
            " weights are missing and would be random), so it cannot fill in a word: choose a model that was"
            " published with its head, such as bert-tiny"
        )
    return loaded.model.eval()


def word_scores(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[ClozePrompt],
    tokens: Sequence[int],
    progress: Progress,
) -> WordScores:
    """Score some words at the mask of each prompt.

    Args:
        model: From :func:`load_with_head`; it runs on its device.
        tokenizer: Its tokenizer, padding on the right, because mask positions are counted from the left.
        prompts: From :class:`slmbench.methods.fewshot.cloze_prompts.ClozePrompts`.
        tokens: Token ids of the words.
        progress: Receives progress.

    Returns:
        Scores in the order of the prompts and tokens.
    """
    import torch

    wanted = torch.tensor(tokens, device=model.device)

    def answer(batch: Any) -> torch.Tensor:
        places = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
        places.scatter_(1, batch.pop(_PLACE)[:, None], value=True)
        with head_sees_only(model, places):
            logits = model(**batch).logits.float()
        own = logits[:, wanted]
        log_probabilities = own - logits.logsumexp(-1, keepdim=True)
        # A sum of floats is exact up to 2^24 tokens, and on a CPU faster than one of booleans.
        ranks = [(logits > word[:, None]).float().sum(-1) for word in own.T]
        return torch.cat([log_probabilities, torch.stack(ranks, dim=1)], dim=1)

    columns: dict[str, list[Any]] = {
        name: [prompt.columns[name] for prompt in prompts] for name in prompts[0].columns
    }
    columns[_PLACE] = [prompt.mask for prompt in prompts]
    with progress.task("answering", total=len(prompts), unit="reviews") as task:
        answers = answer_in_batches(answer, tokenizer, columns, model.device, task)
    return WordScores(answers[:, : len(tokens)], answers[:, len(tokens) :].astype(np.int64))


class ClozeDecision(NamedTuple):
    """Answers to the test rows.

    Attributes:
        logits: Scores, shape (rows, labels); the highest is the answer.
        abstained: Indices of rows without an answer.
        inherited: How many rows have the answer of another run.
    """

    logits: np.ndarray
    abstained: list[int]
    inherited: int = 0


def by_best_word(scores: WordScores, columns: Sequence[Sequence[int]], top_n: int | None) -> ClozeDecision:
    """Give each row the label of its most likely word.

    A label's logit is the log-probability of its most likely word, so having many words gives no advantage.

    Args:
        scores: Scores of the words.
        columns: For each label, which columns of the scores are its words.
        top_n: Give no label when none of the words is among this many most likely tokens of the vocabulary.
    """
    logits = np.stack([scores.log_probabilities[:, own].max(1) for own in map(list, columns)], axis=1)
    if top_n is None:
        return ClozeDecision(logits, [])
    return ClozeDecision(logits, np.flatnonzero(scores.ranks.min(1) >= top_n).tolist())


def by_study_000(
    scores: WordScores, positive: int, truth: Sequence[int], labelled: int, inherited: np.ndarray | None
) -> ClozeDecision:
    """Decide as study 000 did: *positive* if it is among the 30 most likely tokens, else *negative* if that is.

    The rule has no scores; the logits only mark the chosen label.

    Args:
        scores: Scores of the two labels' words, in label order.
        positive: Id of the positive label, 0 or 1.
        truth: True label ids.
        labelled: How many rows at the start get their true label.
        inherited: Label ids, -1 for none, that undecided rows take; ``None`` leaves them undecided.
    """
    found = scores.ranks < CLOZE_TOP_N
    own = np.where(found[:, positive], positive, np.where(found[:, 1 - positive], 1 - positive, -1))
    own[:labelled] = truth[:labelled]
    chosen = own if inherited is None else np.where(own < 0, inherited, own)
    logits = np.zeros((len(chosen), 2), dtype=np.float32)
    logits[chosen == 0, 1] = logits[chosen == 1, 0] = _REJECTED
    return ClozeDecision(logits, np.flatnonzero(chosen < 0).tolist(), int((chosen != own).sum()))
