"""The record of a training run: what was trained, on what, at what cost, and how good it is."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import computed_field

from slmbench.records.base import Part, Record
from slmbench.records.predictions import Predictions
from slmbench.statistics import Evaluation


class LengthQuantiles(Part):
    """Review lengths in whitespace-separated words."""

    p5: float
    p50: float
    p95: float
    max: float


class CorpusIdentity(Part):
    """Which reviews: enough to tell whether two results speak of the same rows."""

    name: str
    source: str
    labels: list[str]
    train_reviews: int
    validation_reviews: int
    test_reviews: int
    train_hash: str
    test_hash: str
    label_balance: dict[str, dict[str, int]]
    words: LengthQuantiles
    duplicates_dropped: int
    conflicting_dropped: int
    skipped_rows: int
    #: How to load the same corpus again: keyword arguments of ``slmbench.corpora.load_corpus``.
    options: dict[str, Any]
    notes: list[str]


class EpochLog(Part):
    """One line of the training history."""

    epoch: float
    train_loss: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    validation_macro_f1: float | None = None


class TrainCost(Part):
    """What the training took.

    ``reviews_per_second`` counts each review once per epoch. Of a run that went on after an interruption,
    ``seconds`` is the part since then, and ``resumed_at_epoch`` says where that part began.
    """

    seconds: float
    reviews_per_second: float
    epochs: float
    peak_rss_bytes: int | None
    device: str
    precision: str
    best_epoch: float | None
    selected_by: str | None
    resumed_at_epoch: float | None = None
    history: list[EpochLog]


class RunRecord(Record):
    """One trained classifier."""

    kind = "run"

    path: str
    model: str
    model_source: str
    base_sha256: str | None
    weights_sha256: str
    architecture: str
    base_license: str | None
    method: str
    seed: int
    max_length: int | None
    hyperparameters: dict[str, Any]
    trainable_parameters: int
    total_parameters: int
    parameters_without_embeddings: int
    corpus: CorpusIdentity
    train: TrainCost
    predictions: Predictions
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def test(self) -> Evaluation:
        """Metrics on the test rows, computed from ``predictions``."""
        return self.predictions.evaluate()
