"""The record of a sweep: one form timed over review lengths, token budgets or numbers of threads."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field, computed_field

from slmbench.records.base import Part, Record
from slmbench.records.profile import Conditions, WorkloadIdentity
from slmbench.records.timed import Timed
from slmbench.statistics import percentile

Axis = Literal["length", "batch", "threads"]
ONE_AT_A_TIME = 0
#: What each axis is called on a plot.
AXIS_TITLES: dict[Axis, str] = {
    "length": "tokens per review",
    "batch": "token budget per batch",
    "threads": "threads",
}


def tick(axis: Axis, value: int) -> str:
    """Return the label of a setting on the axis of a plot."""
    return "alone" if axis == "batch" and value == ONE_AT_A_TIME else f"{value:,}"


class SweepPoint(Timed):
    """One setting: tokens per review, token budget per batch (0: one review at a time), or threads.

    Samples are milliseconds per review; of batches, the time of a pass divided by its reviews.
    """

    value: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p50_ms(self) -> float:
        """Median time per review."""
        return percentile(self.all_ms, 50)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reviews_per_second(self) -> float:
        """Reviews per second at that time."""
        return 1e3 / self.p50_ms

    def overlaps(self, other: SweepPoint) -> bool:
        """Return whether the two intervals overlap; true where one is missing."""
        if self.ci95_ms is None or other.ci95_ms is None:
            return True
        return self.ci95_ms[0] <= other.ci95_ms[1] and other.ci95_ms[0] <= self.ci95_ms[1]


class SweepFailure(Part):
    """A setting that could not be measured."""

    value: int
    reason: str


class SweepRecord(Record):
    """A form of a bundle over one axis, on one machine."""

    kind = "sweep"
    made_by = "slmbench sweep"
    rows_in = "points"
    shown = "bundle form axis value p50_ms ci95_ms.low ci95_ms.high reviews_per_second"

    bundle: str
    form: str
    backend: str
    device: str
    #: ``None`` in a sweep over threads.
    threads: int | None
    axis: Axis
    points: list[SweepPoint]
    failed: list[SweepFailure] = Field(default_factory=list)
    corpus: WorkloadIdentity
    conditions: Conditions
    #: What disturbed the measurement; older records do not say.
    warnings: list[str] = Field(default_factory=list)
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def best(self) -> int | None:
        """The setting with the shortest median; ``None`` for lengths, which are not a choice."""
        return None if self.axis == "length" else self._best.value

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ms_per_token(self) -> float | None:
        """Time per additional token in a sweep over lengths: the median of all slopes.

        Theil & Sen (P. K. Sen, *JASA* 63, 1968); ``None`` from fewer than two lengths.
        """
        if self.axis != "length" or len(self.points) < 2:
            return None
        from scipy.stats import theilslopes

        return float(theilslopes([point.p50_ms for point in self.points], [point.value for point in self.points])[0])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        return self._length_sentence() if self.axis == "length" else self._setting_sentence()

    @property
    def _best(self) -> SweepPoint:
        return min(self.points, key=lambda point: point.p50_ms)

    def _length_sentence(self) -> str:
        first, last = self.points[0], self.points[-1]
        slope = "" if self.ms_per_token is None else f"; each further token takes {self.ms_per_token:.3g} ms"
        return (
            f"{first.value:,} tokens take {first.p50_ms:.3g} ms and {last.value:,} tokens {last.p50_ms:.3g} ms{slope}"
        )

    def _setting_sentence(self) -> str:
        best = self._best
        others = [point for point in self.points if point is not best]
        equal = [self.name_of(point.value) for point in others if point.overlaps(best)]
        slowest = max((point.p50_ms for point in others), default=best.p50_ms)
        verb = "are" if self.axis == "threads" and best.value > 1 else "is"
        found = (
            f"{self.name_of(best.value)} {verb} best: {best.p50_ms:.3g} ms per review,"
            f" {best.reviews_per_second:,.0f} reviews/s, {slowest / best.p50_ms:.2f}× as fast as the slowest"
        )
        return found + (f"; no significant difference from {', '.join(equal)}" if equal else "")

    def name_of(self, value: int) -> str:
        """Return a setting in words."""
        if self.axis == "batch":
            return "one at a time" if value == ONE_AT_A_TIME else f"{value:,} tokens per batch"
        if self.axis == "threads":
            return f"{value} thread{'' if value == 1 else 's'}"
        return f"{value:,} tokens"

    def curve(self) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Return settings, medians, and intervals of shape (settings, 2); the median twice where there is none."""
        medians = np.array([point.p50_ms for point in self.points])
        intervals = np.array([point.ci95_ms or (point.p50_ms, point.p50_ms) for point in self.points])
        return [point.value for point in self.points], medians, intervals
