"""Streamed reviews as the Trainer wants them: shuffled and grouped by length within a window that fits in memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import IterableDataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerFast

    from slmbench.corpora import TextSample

#: Batches of reviews that are shuffled together: 8,192 reviews in batches of 16, about 10 MB of text.
WINDOW_BATCHES = 512
#: Batches of reviews that are tokenised together and sorted by length; a divisor of the window.
GROUP_BATCHES = 32


class StreamedReviews(IterableDataset):
    """Reviews to learn from, tokenised while they are read, in another order on every pass.

    Reviews of a batch are of like length, so that little is padding; batches come in random order. With as many
    reviews as the window holds the shuffle is a full one.

    Args:
        sample: The reviews.
        tokenizer: Of the model.
        max_length: Longest input in tokens; what is beyond is not read.
        batch_size: Reviews a step.
        seed: Of the order.
    """

    def __init__(
        self, sample: TextSample, tokenizer: PreTrainedTokenizerFast, max_length: int, batch_size: int, seed: int
    ) -> None:
        self._sample = sample
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._batch_size = batch_size
        self._seed = seed
        self._passes = 0

    def __len__(self) -> int:
        return len(self._sample)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield tokenised reviews with their mask of special tokens; every ``batch_size`` of them are a batch."""
        random = np.random.default_rng((self._seed, self._passes))
        self._passes += 1
        texts = iter(self._sample)
        group = GROUP_BATCHES * self._batch_size
        while window := list(islice(texts, WINDOW_BATCHES * self._batch_size)):
            order = random.permutation(len(window))
            for start in range(0, len(window), group):
                chosen = [window[index] for index in order[start : start + group]]
                yield from self._grouped(chosen, random)

    def _grouped(self, texts: list[str], random: np.random.Generator) -> Iterator[dict[str, Any]]:
        encoded = self._tokenizer(
            texts, truncation=True, max_length=self._max_length, return_special_tokens_mask=True
        )
        by_length = sorted(range(len(texts)), key=lambda row: -len(encoded["input_ids"][row]))
        batches = [by_length[start : start + self._batch_size] for start in range(0, len(texts), self._batch_size)]
        whole = [batch for batch in batches if len(batch) == self._batch_size]
        # A part of a batch must come last, or the batches after it would straddle two lengths.
        for batch in [*(whole[index] for index in random.permutation(len(whole))), *batches[len(whole) :]]:
            for row in batch:
                yield {name: column[row] for name, column in encoded.items()}
