"""What a classifier said about each review, kept so that any metric can be recomputed."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
from pydantic import computed_field

from slmbench.records.base import Part
from slmbench.statistics import Evaluation, evaluate


class Predictions(Part):
    """Columns of equal length, one entry a review.

    ``row_ids`` are content hashes of the reviews (see ``slmbench.corpora``), ``truth`` true label ids,
    ``probabilities`` one row per review in the order of ``labels``.
    """

    labels: list[str]
    row_ids: list[str]
    truth: list[int]
    probabilities: list[list[float]]

    @classmethod
    def of(cls, labels: list[str], row_ids: list[str], truth: list[int], probabilities: np.ndarray) -> Predictions:
        """Build from an array of probabilities, rounded to six decimals to keep records small."""
        return cls(
            labels=labels,
            row_ids=row_ids,
            truth=truth,
            probabilities=np.round(probabilities.astype(float), 6).tolist(),
        )

    def evaluate(self) -> Evaluation:
        """Compute the metrics with their intervals."""
        return evaluate(self.truth, np.asarray(self.probabilities), self.labels)

    def right(self) -> np.ndarray:
        """Whether each review is classified right, shape (n,)."""
        return np.asarray(self.probabilities).argmax(1) == np.asarray(self.truth)

    def predicted(self) -> np.ndarray:
        """Predicted label ids, shape (n,)."""
        return np.asarray(self.probabilities).argmax(1)

    def rows_hash(self) -> str:
        """Hash of exactly which reviews these are, whatever their order."""
        return hash_rows(self.row_ids)


class Evaluated(Part):
    """A part of a record that keeps predictions: their metrics are computed when they are asked for."""

    predictions: Predictions

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def evaluation(self) -> Evaluation:
        """Metrics on the test rows."""
        return self.predictions.evaluate()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def accuracy(self) -> float:
        """Accuracy on the test rows."""
        return self.evaluation.accuracy


def hash_rows(row_ids: list[str]) -> str:
    """Hash a set of row ids, whatever their order; equal hashes mean the same reviews and labels."""
    return hashlib.sha256("\n".join(sorted(row_ids)).encode()).hexdigest()
