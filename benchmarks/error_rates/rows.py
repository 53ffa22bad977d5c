"""Rows of a comparison made from simulated answers and times, for the functions that decide."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from slmbench.compare.cells import Cell
from slmbench.records import Latency, Predictions, ProfileRecord, read_record
from slmbench.statistics import METRICS, Evaluation, Interval, ScoredReviews

REFERENCE = Path(__file__).parents[2] / "profiles/reference"
#: Median of the fastest row whose times have no noise (ms).
STEADY_MS = 10.0


@lru_cache(1)
def template() -> ProfileRecord:
    """Return a real profile, of which answers and times are replaced."""
    return read_record(ProfileRecord, next(REFERENCE.glob("quickstart-minilm-l6.fp32.*.json")))


@lru_cache(None)
def steady_latency(number: int = 0) -> Latency:
    """Return times without noise; row ``number`` is a quarter slower than the one before."""
    times = STEADY_MS * 1.25**number * np.exp(np.linspace(-0.001, 0.001, 20))
    return Latency(processes_ms=[times.tolist()] * 3, reviews=20)


@lru_cache(None)
def accuracy_interval(right: int, n: int) -> Interval:
    """Return the interval that an evaluation has for so many right answers."""
    answers = (np.arange(n) < right).astype(int)
    reviews = ScoredReviews.of([1] * n, np.stack([1 - answers, answers], axis=1), ["no", "yes"])
    found = METRICS["accuracy"].of(reviews)[1]
    assert found is not None
    return found


def rows_of(right: np.ndarray, latencies: Sequence[Latency], sizes: Sequence[int]) -> list[Cell]:
    """Return one row a classifier.

    Args:
        right: Whether each classifier is right on each review, shape (classifiers, reviews).
        latencies: Times of each.
        sizes: Bytes of each.
    """
    n = right.shape[1]
    cells = []
    for number, (answers, latency, size) in enumerate(zip(right, latencies, sizes, strict=True)):
        name, count = f"row {number}", int(answers.sum())
        profile = template().model_copy(
            update={"name": name, "bundle": name, "latency": latency, "size_bytes": size, "predictions": _balanced(n)}
        )
        evaluation = Evaluation.model_construct(
            reviews=n, accuracy=count / n, accuracy_ci95=accuracy_interval(count, n)
        )
        vars(profile)["evaluation"] = evaluation
        cell = Cell(profile)
        row = _row().model_copy(update={"name": name, "accuracy": count / n, "p50_ms": latency.p50_ms})
        vars(cell).update(rights=answers[None].astype(float), test_hash="simulated", row=row)
        cells.append(cell)
    return cells


@lru_cache(1)
def _row() -> object:
    return Cell(template()).row


@lru_cache(8)
def _balanced(n: int) -> Predictions:
    """Return the true labels of n reviews, half of each of two labels, and no answers."""
    return Predictions.model_construct(
        labels=["no", "yes"], row_ids=[f"{row:06}" for row in range(n)], truth=[row % 2 for row in range(n)]
    )
