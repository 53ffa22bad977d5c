"""The record of a cross-validation: every review was tested once, by a classifier trained on the other folds."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field, computed_field

from slmbench.records.base import Part, Record
from slmbench.records.predictions import Evaluated
from slmbench.statistics import Interval, cross_validation_interval


class Fold(Part):
    """One fold: its run, and how good that was on the reviews that it did not see."""

    run: str
    key: str | None
    train_reviews: int
    test_reviews: int
    accuracy: float
    macro_f1: float


class CrossValidationRecord(Record, Evaluated):
    """What a method and model are worth on a corpus that is too small for a test set of its own.

    ``predictions`` are those of all folds together; ``evaluation`` are metrics of them. No run of a fold is the
    classifier to ship: that is trained on all reviews, with the same options.
    """

    kind = "cross_validation"
    made_by = "slmbench finetune --folds 5"
    file: ClassVar[str] = "cross_validation.json"
    shown = (
        "name model method seed corpus evaluation.reviews evaluation.accuracy accuracy_ci95.low accuracy_ci95.high "
        "evaluation.macro_f1 evaluation.majority_baseline"
    )

    path: str
    model: str
    method: str
    seed: int
    corpus: str
    #: Keyword arguments of ``slmbench.corpora.load_corpus`` for all folds.
    corpus_options: dict[str, Any]
    hyperparameters: dict[str, Any]
    folds: list[Fold]
    notes: list[str] = Field(default_factory=list)
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def accuracy_ci95(self) -> Interval:
        """Interval of the accuracy of a classifier trained on as many reviews as in a fold.

        See :func:`slmbench.statistics.cross_validation_interval`.
        """
        return cross_validation_interval(
            [fold.accuracy for fold in self.folds],
            [fold.test_reviews for fold in self.folds],
            [fold.train_reviews for fold in self.folds],
        )
