"""The features of a static classifier: which rows of the table a text has, and a sparse matrix of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.edge.runtime import is_unicode, static_rows, static_words

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: A word has to be in so many texts, so that something can be learned about it that holds for others.
MIN_TEXTS = 2
#: With fewer texts every word counts.
FEW_TEXTS = 50


@dataclass(frozen=True)
class StaticFeatures:
    """What a text's rows depend on.

    Attributes:
        words: The known words; word i has row i + 1, and row 0 is that of all others.
        longest: Longest n-gram, in words.
        buckets: Number of rows that n-grams of two words and more share.
    """

    words: list[str]
    longest: int
    buckets: int

    @classmethod
    def of(cls, texts: Sequence[str], *, words: int, longest: int, buckets: int) -> StaticFeatures:
        """Take the words that are in most texts; of equally frequent ones the first in the alphabet.

        Args:
            texts: Texts to learn from.
            words: How many words at most.
            longest: Longest n-gram, in words.
            buckets: Number of rows that n-grams share.
        """
        counts = Counter(word for text in texts for word in set(static_words(text)))
        least = MIN_TEXTS if len(texts) >= FEW_TEXTS else 1
        known = [(-count, word) for word, count in counts.items() if count >= least and is_unicode(word)]
        return cls([word for _, word in sorted(known)[:words]], longest, buckets if longest > 1 else 0)

    @property
    def rows(self) -> int:
        """Number of rows of the table."""
        return 1 + len(self.words) + self.buckets

    def matrix(self, texts: Sequence[str]) -> csr_matrix:
        """Return the features of texts, shape (texts, rows), float32.

        Each row of the table that a text has counts one over the square root of their number, so that the features
        times the table are the sums that ``slmbench.edge`` pools.
        """
        from scipy.sparse import csr_matrix

        ids = {word: index for index, word in enumerate(self.words, 1)}
        columns = [self._columns([ids.get(word, 0) for word in static_words(text)]) for text in texts]
        sizes = np.array([len(own) for own in columns])
        values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return csr_matrix((values, np.concatenate(columns).astype(np.int32), starts), shape=(len(texts), self.rows))

    def _columns(self, ids: list[int]) -> np.ndarray:
        if not ids:
            return np.empty(0, dtype=np.uint32)
        return static_rows(np.array(ids, dtype=np.uint32), len(self.words), self.longest, self.buckets)
