"""Running a model over tokenised texts in padded batches of about the same number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
    *,
    workers: int = 1,
) -> np.ndarray:
    """Run a model without gradients over tokenised texts.

    Several workers answer a batch each, on one thread of torch: none waits for another one, which takes less time
    than one batch on all cores, and gives the same answers.

    Args:
        answer: From a padded batch to one row of numbers a text.
        tokenizer: What tokenised the texts.
        encoded: What it returned: lists of different lengths, truncated, not padded, at least one.
        device: The torch device the batches go to.
        task: Is advanced by the texts done.
        workers: Batches that are answered at the same time; on a CPU only.

    Returns:
        The rows in input order, float32.
    """
    import torch

    lengths = [len(ids) for ids in encoded["input_ids"]]
    batches = batches_by_tokens(lengths, BATCH_TOKENS)
    if not batches:
        raise ValueError("there are no texts")

    def of_batch(rows: list[int]) -> np.ndarray:
        columns = {name: [column[row] for row in rows] for name, column in encoded.items()}
        with torch.inference_mode():
            batch = tokenizer.pad(columns, return_tensors="pt").to(device)
            return answer(batch).float().cpu().numpy()

    found = []
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for rows, answers in zip(batches, (pool.map if workers > 1 else map)(of_batch, batches), strict=True):
                found.append(answers)
                task.advance(len(rows))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(threads)
    out = np.empty((len(lengths), found[0].shape[1]), dtype=np.float32)
    for rows, answers in zip(batches, found, strict=True):
        out[rows] = answers
    return out
