"""A masked language model and what it thinks of a few words at the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.models.batching import answer_in_batches
from slmbench.models.masked import head_sees_only, load_masked_lm

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from slmbench.common.progress import Progress
    from slmbench.methods.fewshot.cloze_prompts import Prompt
    from slmbench.models import ModelFiles

#: Column of a batch that says where each prompt's mask is.
_PLACE = "mask_place"


@dataclass(frozen=True)
class WordScores:
    """What a model thinks of some words at each mask.

    Attributes:
        log_probabilities: Natural logarithm of each word's probability among the whole vocabulary, shape
            (prompts, words), float32.
        ranks: How many tokens of the vocabulary are likelier, shape (prompts, words).
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
        UsageError: The weights have no head, so that it would start at random, or the architecture has none.
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
    prompts: Sequence[Prompt],
    tokens: Sequence[int],
    progress: Progress,
) -> WordScores:
    """Ask a model for some words at the mask of each prompt.

    Args:
        model: From :func:`load_with_head`; it runs where it lives.
        tokenizer: Its tokenizer, padding on the right: a mask's place is counted from the left.
        prompts: From :class:`slmbench.methods.fewshot.cloze_prompts.ClozePrompts`.
        tokens: Token ids of the words.
        progress: Where to say how far it is.

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
