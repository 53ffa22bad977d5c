"""Running a model over tokenised texts in padded batches of about the same number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.progress import Task
from slmbench.edge import batches_by_tokens

if TYPE_CHECKING:
    import torch
    from transformers import BatchEncoding, PreTrainedTokenizerFast


#: Tokens of a padded batch: large enough to keep the cores busy, small enough for the caches.
BATCH_TOKENS = 4096


def answer_in_batches(
    answer: Callable[[BatchEncoding], torch.Tensor],
    tokenizer: PreTrainedTokenizerFast,
    encoded: Mapping[str, list[list[int]]],
    device: Any,
    task: Task,
) -> np.ndarray:
    """Run a model without gradients over tokenised texts.

    Args:
        answer: From a padded batch to one row of numbers a text.
        tokenizer: What tokenised the texts.
        encoded: What it returned: lists of different lengths, truncated, not padded, at least one.
        device: The torch device the batches go to.
        task: Is advanced by the texts done.

    Returns:
        The rows in input order, float32.
    """
    import torch

    out: np.ndarray | None = None
    lengths = [len(ids) for ids in encoded["input_ids"]]
    with torch.inference_mode():
        for rows in batches_by_tokens(lengths, BATCH_TOKENS):
            columns = {name: [column[row] for row in rows] for name, column in encoded.items()}
            batch = tokenizer.pad(columns, return_tensors="pt").to(device)
            answers = answer(batch).float().cpu().numpy()
            if out is None:
                out = np.empty((len(lengths), answers.shape[1]), dtype=np.float32)
            out[rows] = answers
            task.advance(len(rows))
    if out is None:
        raise ValueError("there are no texts")
    return out
