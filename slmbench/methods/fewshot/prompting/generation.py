"""Answers as texts, always taking the likeliest next token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slmbench.common.progress import SILENT
from slmbench.edge import batches_by_tokens
from slmbench.methods.fewshot.prompting.scoring import BATCH_TOKENS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.common.progress import Progress
    from slmbench.methods.fewshot.prompting.loading import LanguageModel


def generate_answers(
    loaded: LanguageModel, prompts: Sequence[Sequence[int]], new_tokens: int, progress: Progress = SILENT
) -> list[str]:
    """Let a model answer prompts.

    Args:
        loaded: The model.
        prompts: Token ids.
        new_tokens: Most tokens of an answer.
        progress: Where to say how far it is.

    Returns:
        The answers as they came, without special tokens, in input order.
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
    with torch.inference_mode(), progress.task("asking", total=len(prompts), unit="reviews") as task:
        for rows in batches_by_tokens([len(prompt) for prompt in prompts], BATCH_TOKENS):
            ids, mask = _padded([prompts[row] for row in rows], tokenizer.pad_token_id)
            out = model.generate(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=settings
            )
            # A decoder gives the prompt back in front of its answer.
            new = out if loaded.is_seq2seq else out[:, ids.shape[1] :]
            said = tokenizer.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            for row, text in zip(rows, said, strict=True):
                answers[row] = text
            task.advance(len(rows))
    return answers


def _padded(batch: list[Sequence[int]], pad: int) -> tuple[Any, Any]:
    """Pad on the left, so that every answer begins at the same place."""
    import torch

    longest = max(map(len, batch))
    ids = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in batch])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in batch])
    return ids, mask
