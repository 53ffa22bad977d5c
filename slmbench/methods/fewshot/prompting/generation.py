"""Answers that a language model generates, and the labels they mention."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slmbench.common.progress import SILENT, Progress
from slmbench.edge import batches_by_tokens
from slmbench.methods.fewshot.prompting.label_scores import BATCH_TOKENS
from slmbench.methods.words import Words

if TYPE_CHECKING:
    from slmbench.methods.fewshot.prompting.language_models import LanguageModel


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
            ids, mask = _padded([prompts[row] for row in rows], tokenizer.pad_token_id)
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


def _padded(batch: list[Sequence[int]], pad: int) -> tuple[Any, Any]:
    """Pad on the left, so that every answer begins at the same position."""
    import torch

    longest = max(map(len, batch))
    ids = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in batch])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in batch])
    return ids, mask


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
