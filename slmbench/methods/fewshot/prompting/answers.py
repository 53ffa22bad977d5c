"""Two ways to get labels from a language model: by the likelihood of their words, and from generated answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slmbench.common.progress import SILENT, Progress
from slmbench.edge import batches_by_tokens
from slmbench.edge.runtime import softmax
from slmbench.methods.fewshot.prompting.label_scores import BATCH_TOKENS, left_padded, make_scorer
from slmbench.methods.fewshot.prompting.language_models import LanguageModel
from slmbench.methods.fewshot.prompting.prompts import FittedFrame, answer_tokens, check_answers, encode_prompts
from slmbench.methods.protocols import (
    UNKNOWN,
    StudyPrompt,
    parse_labels,
    parse_sentiment,
    top_k_accuracy_fair,
    top_k_accuracy_study,
)
from slmbench.methods.words import Words


def generate_answers(
    loaded: LanguageModel, prompts: Sequence[Sequence[int]], new_tokens: int, progress: Progress = SILENT
) -> list[str]:
    """Generate an answer to each prompt, greedily.

    Args:
        loaded: The model.
        prompts: Token ids.
        new_tokens: Maximum tokens of an answer.
        progress: Receives progress.

    Returns:
        The answers without special tokens, in input order.
    """
    import torch
    from transformers import GenerationConfig

    model, tokenizer = loaded.model, loaded.tokenizer
    own = model.generation_config
    settings = GenerationConfig(
        max_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id if own.eos_token_id is not None else tokenizer.eos_token_id,
        decoder_start_token_id=own.decoder_start_token_id,
    )
    answers = [""] * len(prompts)
    with torch.inference_mode(), progress.task("generating", total=len(prompts), unit="reviews") as task:
        for rows in batches_by_tokens([len(prompt) for prompt in prompts], BATCH_TOKENS):
            ids, mask = left_padded([prompts[row] for row in rows], tokenizer.pad_token_id)
            out = model.generate(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=settings
            )
            # A decoder repeats the prompt before its answer.
            new = out if loaded.is_seq2seq else out[:, ids.shape[1] :]
            texts = tokenizer.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            for row, text in zip(rows, texts, strict=True):
                answers[row] = text
            task.advance(len(rows))
    return answers


def mentioned_labels(answer: str, words: Words) -> list[int]:
    """Return the labels that an answer mentions.

    Case and punctuation are ignored. Only whole words count, and if one label's words are part of another's, the
    longer one counts.

    Args:
        answer: The generated text.
        words: Label name → words that stand for it, in label order.

    Returns:
        Label ids in the order of their first mention, each once.
    """
    number_of = {
        _plain(word): number for number, choice in enumerate(words.values()) for word in choice if _plain(word)
    }
    longest_first = sorted(number_of, key=len, reverse=True)
    pattern = "|".join(re.escape(word) for word in longest_first)
    found = re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", _plain(answer)) if pattern else []
    return list(dict.fromkeys(number_of[word] for word in found))


def first_labels(answers: Sequence[str], words: Words) -> list[int | None]:
    """Return the label each answer mentions first, or ``None`` where it mentions none."""
    return [next(iter(mentioned_labels(answer, words)), None) for answer in answers]


def _plain(text: str) -> str:
    """Return a text in lower case, with punctuation and white space replaced by single spaces."""
    return " ".join(re.sub(r"[^\w&'-]+", " ", text.casefold()).split())


#: Inputs without content by which contextual calibration measures a prompt's bias (Zhao et al. 2021, § 5).
CONTENT_FREE = ("N/A", "", "[MASK]")
#: Logit of a generated answer: large enough that its recorded probability is 1.
_CERTAIN = 30.0
#: Number of raw texts shown as examples of answers without a label.
_EXAMPLES = 5


@dataclass(frozen=True)
class PromptAnswers:
    """Answers to the test reviews.

    Attributes:
        logits: Shape (rows, labels), float32.
        abstained: Indices of rows without a label.
        details: For the run's record.
        notes: Caveats about the results, as sentences.
        first_tokens: For each label, the token whose logit is its score, if labels were scored by first tokens.
    """

    logits: np.ndarray
    abstained: list[int] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    first_tokens: list[int] | None = None


def by_likelihood(
    loaded: LanguageModel,
    fitted: FittedFrame,
    words: Words,
    prompts: Sequence[Sequence[int]],
    progress: Progress,
    *,
    calibrated: bool,
) -> PromptAnswers:
    """Score every label by the likelihood of its words after the prompt.

    If every label has one word and these begin with different tokens, a decoder's logits of the first tokens are the
    scores: the beginning of a word almost determines the rest. Otherwise the log-probabilities of a word's tokens are
    summed, without length normalisation, and the probabilities of a label's words are added up.

    Args:
        loaded: The model.
        fitted: The prompt.
        words: Label name → words that stand for it, in label order.
        prompts: Token ids of the test reviews' prompts.
        progress: Receives progress.
        calibrated: Subtract the log-probability that each label has without content: contextual calibration (Zhao
            et al. 2021, *Calibrate Before Use*, eq. 1 with W = diag(p_cf)⁻¹, b = 0).

    Raises:
        UsageError: A label's word is the beginning of another one's.
        SlmbenchError: The tokenizer merges a word with the end of the prompt.
    """
    owners = [number for number, choice in enumerate(words.values()) for _ in choice]
    spelled = [word for choice in words.values() for word in choice]
    tokens = [answer_tokens(loaded.tokenizer, fitted.frame, word, is_seq2seq=loaded.is_seq2seq) for word in spelled]
    check_answers(list(zip(spelled, tokens, strict=True)))
    first = [answer[0] for answer in tokens]
    by_first = not loaded.is_seq2seq and len(owners) == len(words) and len(set(first)) == len(first)
    scorer = make_scorer(loaded, tokens, first_tokens=by_first)
    logits = _by_label(scorer(prompts, progress), owners)
    details: dict[str, Any] = {"scored_by": "first token" if by_first else "whole words"}
    if calibrated:
        empty = encode_prompts(loaded.tokenizer, fitted.frame, CONTENT_FREE, fitted.room)
        without = softmax(_by_label(scorer(empty.ids), owners))
        details["content_free"] = dict(zip(CONTENT_FREE, np.round(without, 6).tolist(), strict=True))
        logits = logits - np.log(without.mean(0)).astype(np.float32)
    return PromptAnswers(logits, [], details, _one_sided(logits, list(words)), first if by_first else None)


def _by_label(scores: np.ndarray, owners: Sequence[int]) -> np.ndarray:
    """Add up the probabilities of each label's words, given as log-probabilities."""
    columns = [scores[:, np.equal(owners, label)] for label in sorted(set(owners))]
    return np.stack([np.logaddexp.reduce(column, axis=1) for column in columns], axis=1)


def _one_sided(logits: np.ndarray, labels: list[str]) -> list[str]:
    label, count = Counter(logits.argmax(1).tolist()).most_common(1)[0]
    share = count / len(logits)
    if share < 0.9:
        return []
    return [
        f"{100 * share:.0f} % of the reviews are given '{labels[label]}': the prompt is biased towards that label"
    ]


def by_generation(
    loaded: LanguageModel,
    prompts: Sequence[Sequence[int]],
    words: Words,
    truth: Sequence[int],
    progress: Progress,
    *,
    new_tokens: int,
    protocol: StudyPrompt | None,
) -> PromptAnswers:
    """Generate answers and read labels from them: by study 003's rules for its prompts, otherwise leniently.

    Args:
        loaded: The model.
        prompts: Token ids of the test reviews' prompts.
        words: Label name → words that stand for it, in label order.
        truth: True label ids, for the lenient accuracy recorded beside the study's.
        progress: Receives progress.
        new_tokens: Maximum tokens of an answer.
        protocol: The study's prompt, if it is one.
    """
    answers = generate_answers(loaded, prompts, new_tokens, progress)
    tolerant = first_labels(answers, words)
    details: dict[str, Any] = {"answers": answers, "new_tokens": new_tokens}
    notes = ["answers are generated, so their probabilities are 1 or 0: ROC AUC and top-k are meaningless"]
    labels: list[int | None]
    if protocol is None:
        labels = tolerant
    else:
        lists = _as_study(answers, words, protocol)
        labels = [None if answer[0] == UNKNOWN else answer[0] for answer in lists]
        right = [label == true for label, true in zip(tolerant, truth, strict=True)]
        details["tolerant"] = {"accuracy": float(np.mean(right)), "unparsable": tolerant.count(None)}
        if protocol.is_category:
            rules = {"study": top_k_accuracy_study, "fair": top_k_accuracy_fair}
            details["top_k"] = {
                name: {k: accuracy(lists, truth, k) for k in (1, 2, 3)} for name, accuracy in rules.items()
            }
            notes.append("top-k of the generated lists is in details: the study's rule counts only lists of k labels")
    silent = [row for row, label in enumerate(labels) if label is None]
    if silent:
        notes.append(f"{len(silent)} of {len(answers)} answers contain no label and count as wrong")
    details["unparsable"] = len(silent)
    details["unparsable_examples"] = [answers[row] for row in silent[:_EXAMPLES]]
    logits = np.zeros((len(answers), len(words)), dtype=np.float32)
    for row, label in enumerate(labels):
        if label is not None:
            logits[row, label] = _CERTAIN
    return PromptAnswers(logits, silent, details, notes)


def _as_study(answers: Sequence[str], words: Words, protocol: StudyPrompt) -> list[list[int]]:
    """Read answers by the study's rules; a label is written as the prompt names it."""
    names = [choice[0] for choice in words.values()]
    if protocol.is_category:
        return [parse_labels(answer, names) for answer in answers]
    return [[parse_sentiment(answer, names)] for answer in answers]
