"""Which epoch is kept: the last one whose validation metric is within one standard error of the best.

A hundred validation reviews give an accuracy with a standard error of about three points. Taking the best epoch on
such a sample is choosing by chance, and the lowest loss stops too early, because confidence grows faster than the
number of errors. The rule here is the one-standard-error rule of Breiman et al. (*Classification and Regression
Trees*, 1984, § 3.4.3), with "latest" in place of "simplest".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from slmbench.edge.runtime import mean_by_text
from slmbench.statistics import confusion_matrix, f1_per_class


class EpochSelector:
    """Computes validation metrics for the Trainer, and the score by which it keeps an epoch.

    Args:
        metric: ``accuracy`` or ``macro_f1``.
        earlier: That metric in the epochs before an interruption.
    """

    def __init__(self, metric: str, earlier: Iterable[float] = ()) -> None:
        self._metric = metric
        self._values = list(earlier)

    def __call__(self, prediction: Any) -> dict[str, float]:
        """Return accuracy, macro-F1 and ``selection``: the epoch's number if it may be kept, else 0.

        Args:
            prediction: ``predictions``, logits of shape (inputs, labels), and ``label_ids``; with long reviews in
                windows these are a pair: the labels, and to which review each input belongs.
        """
        logits = prediction.predictions
        logits = logits[0] if isinstance(logits, tuple) else logits
        labels = prediction.label_ids
        if isinstance(labels, tuple):
            logits, labels = _by_review(logits, *labels)
        confusion = confusion_matrix(labels, logits.argmax(-1), logits.shape[-1])
        f1 = f1_per_class(confusion, confusion.sum(1))
        metrics = {"accuracy": float(np.trace(confusion) / confusion.sum()), "macro_f1": float(f1.mean())}
        value = metrics[self._metric]
        self._values.append(value)
        return {**metrics, "selection": self._score(value, int(confusion.sum()))}

    def _score(self, value: float, reviews: int) -> float:
        best = max(self._values)
        # The binomial error of an accuracy; that of macro-F1 on balanced labels is about the same.
        error = float(np.sqrt(best * (1 - best) / reviews))
        return float(len(self._values)) if value >= best - error else 0.0


def _by_review(logits: np.ndarray, labels: np.ndarray, reviews: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean logits of each review and its label."""
    order = np.argsort(reviews, kind="stable")
    _, firsts, numbers = np.unique(reviews[order], return_index=True, return_inverse=True)
    return mean_by_text(logits[order], numbers), labels[order][firsts]
