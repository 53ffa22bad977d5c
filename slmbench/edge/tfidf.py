"""Bundles of the TF-IDF floor: term counts and one dot product in numpy, no scikit-learn.

The arithmetic is scikit-learn's ``TfidfVectorizer`` followed by ``LogisticRegression``: counts of word 1-n-grams
(optionally 1 + ln count), times inverse document frequency, scaled to unit length, times the coefficients.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from slmbench.common.errors import SlmbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class TfidfBackend:
    """A vocabulary and its weights, read from ``tfidf.json`` and ``tfidf.npz`` in one folder."""

    def __init__(self, folder: Path) -> None:
        try:
            settings = json.loads((folder / "tfidf.json").read_text(encoding="utf-8"))
            with np.load(folder / "tfidf.npz", allow_pickle=False) as arrays:
                self._idf = arrays["idf"].astype(np.float64)
                self._coefficients = arrays["coefficients"].astype(np.float64)
                self._intercept = arrays["intercept"].astype(np.float64)
            self._pattern = re.compile(settings["token_pattern"])
            self._longest = int(settings["ngram_range"][1])
            self._sublinear = bool(settings["sublinear_tf"])
            self._vocabulary = {term: index for index, term in enumerate(settings["vocabulary"])}
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile, zlib.error) as error:
            raise SlmbenchError(f"the TF-IDF files in {folder} are missing or damaged: {error}") from None
        if len(self._vocabulary) != len(self._idf):
            raise SlmbenchError(f"the TF-IDF files in {folder} do not belong together: export the bundle again")

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Split into words; each item is a list of words."""
        return [self._pattern.findall(text.lower()) for text in texts]

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of words of each item."""
        return [len(item) for item in items]  # type: ignore[arg-type]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Weigh each item's terms; two labels get the logits (0, decision), so that softmax is the sigmoid."""
        return np.stack([self._logits_of(item) for item in items]).astype(np.float32)  # type: ignore[arg-type]

    def _logits_of(self, words: list[str]) -> np.ndarray:
        counts: Counter[int] = Counter()
        for size in range(1, self._longest + 1):
            for start in range(len(words) - size + 1):
                index = self._vocabulary.get(" ".join(words[start : start + size]))
                if index is not None:
                    counts[index] += 1
        decision = self._intercept.copy()
        if counts:
            terms = np.fromiter(counts, dtype=np.int64)
            weights = np.fromiter(counts.values(), dtype=np.float64)
            if self._sublinear:
                weights = 1 + np.log(weights)
            weights *= self._idf[terms]
            decision += self._coefficients[:, terms] @ (weights / np.linalg.norm(weights))
        return np.concatenate([[0.0], decision]) if len(decision) == 1 else decision
