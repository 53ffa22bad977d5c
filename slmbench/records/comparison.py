"""The record of a comparison: one row a cell, the Pareto front, the recommendation and why others lost."""

from __future__ import annotations

from slmbench.records.base import Part, Record
from slmbench.statistics import Interval


class Row(Part):
    """One candidate for deployment, or a cell that failed (``failure`` says why; its numbers are null)."""

    name: str
    form: str | None = None
    model: str | None = None
    method: str | None = None
    profile: str | None = None
    device: str | None = None
    backend: str | None = None
    machine: str | None = None
    total_parameters: int | None = None
    size_bytes: int | None = None
    accuracy: float | None = None
    accuracy_ci95: Interval | None = None
    macro_f1: float | None = None
    majority_baseline: float | None = None
    p50_ms: float | None = None
    p50_ci95_ms: Interval | None = None
    p95_ms: float | None = None
    reviews_per_second: float | None = None
    peak_bytes: int | None = None
    cold_start_ms: float | None = None
    test_hash: str | None = None
    test_reviews: int | None = None
    pareto: bool = False
    failure: str | None = None

    @property
    def label(self) -> str:
        """Name and form in one word, as tables and plots show it."""
        return f"{self.name} {self.form}" if self.form else self.name


class Recommendation(Part):
    """What to ship."""

    name: str
    form: str
    why: str


class Rejection(Part):
    """What not to ship, and why."""

    name: str
    form: str | None
    why: str


class ComparisonRecord(Record):
    """A decision over profiles."""

    kind = "comparison"

    constraints: dict[str, float]
    rows: list[Row]
    pareto: list[str]
    recommended: Recommendation | None
    rejected: list[Rejection]
    caveats: list[str]
    machines: dict[str, dict[str, str]]
