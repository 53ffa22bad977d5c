"""A classifier's prediction for each review, kept so that any metric can be recomputed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from pydantic import Field, ValidationInfo, computed_field, model_validator

from slmbench.edge.runtime import are_labels
from slmbench.records.base import Part
from slmbench.records.documents import is_reading
from slmbench.statistics import Evaluation, ScoredReviews, evaluate

#: How far the probabilities of a review may be from 1 together: half precision and rounding have 0.002.
MAX_SUM_ERROR = 0.01
#: How a form runs when its accuracy is measured; the single scenario of ``profile`` times the same.
REGIME = "one review at a time, no padding"
#: Begins the regime of answers given in batches, as the offline scenario does.
_BATCHES = "in batches of up to"


def batched_regime(batch_tokens: int) -> str:
    """Return the regime of answers in length-sorted batches of up to so many tokens, padding included."""
    return f"{_BATCHES} {batch_tokens:,} tokens, padded"


def is_batched(regime: str) -> bool:
    """Tell whether answers were given in batches, by their regime."""
    return regime.startswith(_BATCHES)


class Predictions(Part):
    """Columns of equal length, one entry a review.

    ``row_ids`` are content hashes of the reviews (see ``slmbench.corpora``), ``truth`` true label ids,
    ``probabilities`` one row per review in the order of ``labels``. ``abstained`` are the indices of reviews without
    a label (an unparsable answer, a cloze without a known word): they count as wrong, and their probabilities have no
    meaning.
    """

    labels: list[str]
    row_ids: list[str]
    truth: list[int]
    probabilities: list[list[float]]
    abstained: list[int] = Field(default_factory=list)

    @model_validator(mode="after")
    def _belong_together(self, info: ValidationInfo) -> Self:
        """Check predictions of a file: nothing may be decided over columns that do not belong together."""
        if is_reading(info):
            self.check()
        return self

    def check(self) -> None:
        """Check that the columns belong together and that each answered review has probabilities.

        Raises:
            ValueError: They do not; the message begins with the column.
        """
        reviews, labels = len(self.row_ids), len(self.labels)
        if not are_labels(self.labels):
            raise ValueError(f"labels: {self.labels!r:.100} are not two or more different names")
        if not reviews:
            raise ValueError("row_ids: there are none")
        if len(set(self.row_ids)) != reviews:
            raise ValueError("row_ids: a review is there twice")
        if {len(self.truth), len(self.probabilities)} != {reviews}:
            raise ValueError(f"probabilities, truth: they are not one for each of {reviews:,} reviews")
        if not 0 <= min(self.truth) <= max(self.truth) < labels:
            raise ValueError(f"truth: a label is none of 0 to {labels - 1}")
        if any(len(row) != labels for row in self.probabilities):
            raise ValueError(f"probabilities: a row has not one for each of {labels} labels")
        if len(set(self.abstained)) != len(self.abstained) or any(not 0 <= one < reviews for one in self.abstained):
            raise ValueError(f"abstained: an index is there twice or none of 0 to {reviews - 1:,}")
        answered = np.delete(np.asarray(self.probabilities), self.abstained, axis=0)
        wrong = (answered < 0).any(1) | ~(np.abs(answered.sum(1) - 1) <= MAX_SUM_ERROR)
        if wrong.any():
            raise ValueError(
                f"probabilities: {int(wrong.sum()):,} reviews have some below 0, or that do not sum to 1"
            )

    @classmethod
    def of(
        cls,
        labels: list[str],
        row_ids: list[str],
        truth: list[int],
        probabilities: np.ndarray,
        abstained: Sequence[int] = (),
    ) -> Predictions:
        """Build from an array of probabilities, rounded to six decimals to keep records small."""
        return cls(
            labels=labels,
            row_ids=row_ids,
            truth=truth,
            probabilities=np.round(probabilities.astype(float), 6).tolist(),
            abstained=sorted(abstained),
        )

    def evaluate(self) -> Evaluation:
        """Compute the metrics with their intervals."""
        return evaluate(self.truth, np.asarray(self.probabilities), self.labels, self.abstained)

    def scored(self) -> ScoredReviews:
        """Return what metrics are computed from."""
        return ScoredReviews.of(self.truth, np.asarray(self.probabilities), self.labels, self.abstained)

    def right(self) -> np.ndarray:
        """Whether each review is classified right, shape (n,)."""
        return self.predicted() == np.asarray(self.truth)

    def predicted(self) -> np.ndarray:
        """Predicted label ids, shape (n,); -1 where no label was given."""
        predicted = np.asarray(self.probabilities).argmax(1)
        predicted[self.abstained] = -1
        return predicted

    def rows_hash(self) -> str:
        """Hash of exactly which reviews these are, whatever their order."""
        return hash_rows(self.row_ids)


class Evaluated(Part):
    """A part of a record that keeps predictions; their metrics are computed on demand."""

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
