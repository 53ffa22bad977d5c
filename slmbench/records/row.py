"""One row of a comparison: the numbers of a cell, and what was decided about it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from slmbench.records.base import Part
from slmbench.statistics import METRICS, Evaluation, Interval
from slmbench.statistics.verdicts import Verdict


class SeedScore(Part):
    """One of the runs behind a mean over seeds."""

    name: str
    accuracy: float
    #: What the seed to ship was picked by.
    validation_accuracy: float | None


class Row(Part):
    """One candidate for deployment, or a cell that failed (``failure`` says why; its numbers are null)."""

    name: str
    form: str | None = None
    model: str | None = None
    method: str | None = None
    #: Name of the profile record that the numbers are computed from.
    profile: str | None = None
    device: str | None = None
    backend: str | None = None
    threads: int | None = None
    scenario: str | None = None
    #: Fingerprint of the machine: a key of the record's ``machines``.
    machine: str | None = None
    #: What distinguishes this row from others of the same name and form on its machine, such as "1 thread".
    variant: str | None = None
    total_parameters: int | None = None
    size_bytes: int | None = None
    accuracy: float | None = None
    accuracy_ci95: Interval | None = None
    macro_f1: float | None = None
    macro_f1_ci95: Interval | None = None
    #: Every other metric by name, and the intervals of those that have one.
    metrics: dict[str, float] = Field(default_factory=dict)
    metrics_ci95: dict[str, Interval] = Field(default_factory=dict)
    majority_baseline: float | None = None
    #: The label given to every test review, of a model that tells nothing apart.
    only_answer: str | None = None
    p50_ms: float | None = None
    p50_ci95_ms: Interval | None = None
    p95_ms: float | None = None
    p95_ci95_ms: Interval | None = None
    #: Why ``p95_ms`` is null.
    p95_note: str | None = None
    p99_ms: float | None = None
    p99_ci95_ms: Interval | None = None
    #: Why ``p99_ms`` is null.
    p99_note: str | None = None
    reviews_per_second: float | None = None
    reviews_per_second_ci95: Interval | None = None
    peak_bytes: int | None = None
    cold_start_ms: float | None = None
    #: The same, with the model's files dropped from the system's cache before.
    cold_cache_start_ms: float | None = None
    joules_per_review: float | None = None
    #: Whether the energy was measured or estimated.
    energy_quality: Literal["measured", "estimated"] | None = None
    #: Grams of CO2 equivalent of one review, where a grid was named.
    gco2e_per_review: float | None = None
    #: Share of its machine's GEMM ceiling that the median latency reached.
    ceiling_reached: float | None = None
    #: Multiply-accumulate operations of a review of median length: all, and those with constant weights only.
    macs: float | None = None
    macs_linear: float | None = None
    #: Hash of the rows that the accuracy was computed on.
    test_hash: str | None = None
    test_reviews: int | None = None
    #: Whether it was tested on the reviews, and timed in the way, of those decided between on its machine.
    compared: bool = True
    #: On the Pareto front of its machine.
    pareto: bool = False
    #: What to ship on its machine.
    recommended: bool = False
    #: Accuracy (or the metric that decides) compared with the most accurate candidate of its machine, and time with
    #: the fastest candidate as accurate as that; ``None`` of these two themselves and of rows that are no candidates.
    accuracy_verdict: Verdict | None = None
    speed_verdict: Verdict | None = None
    #: Where the accuracy is a mean over seeds, the runs, the one to ship first.
    seeds: list[SeedScore] = Field(default_factory=list)
    #: Why the export refused this form; ``None`` when it was accepted.
    refusal: str | None = None
    #: Why there is an accuracy and no measurement of speed: the method leaves no bundle to profile.
    unprofiled: str | None = None
    failure: str | None = None

    @property
    def joules_measured(self) -> float | None:
        """Energy of one review where counters were read."""
        return self.joules_per_review if self.energy_quality == "measured" else None

    @property
    def joules_estimated(self) -> float | None:
        """Energy of one review where CPU time was multiplied by a design power, which is another quantity."""
        return self.joules_per_review if self.energy_quality == "estimated" else None

    @property
    def gco2e_measured(self) -> float | None:
        """Grams of CO2 equivalent of the measured energy."""
        return self.gco2e_per_review if self.energy_quality == "measured" else None

    @property
    def gco2e_estimated(self) -> float | None:
        """Grams of CO2 equivalent of the estimated energy."""
        return self.gco2e_per_review if self.energy_quality == "estimated" else None

    @staticmethod
    def scores(evaluation: Evaluation) -> dict[str, Any]:
        """Return the fields that an evaluation fills: every metric, and what it was computed on.

        Args:
            evaluation: The metrics on the test rows.
        """
        own = [metric.name for metric in METRICS if f"{metric.name}_ci95" in Row.model_fields]
        others = [metric.name for metric in METRICS if metric.name not in own]
        fields: dict[str, Any] = {name: evaluation.value(name) for name in own}
        fields |= {f"{name}_ci95": evaluation.interval(name) for name in own}
        values = {name: value for name in others if (value := evaluation.value(name)) is not None}
        intervals = {name: interval for name in others if (interval := evaluation.interval(name)) is not None}
        return fields | {
            "metrics": values,
            "metrics_ci95": intervals,
            "majority_baseline": evaluation.majority_baseline,
            "only_answer": evaluation.only_answer,
            "test_reviews": evaluation.reviews,
        }

    @property
    def label(self) -> str:
        """Name, form and variant in one phrase, as tables and plots show it."""
        return label_of(self.name, self.form, self.variant)


def label_of(name: str, form: str | None, variant: str | None) -> str:
    """Return name, form and variant in one phrase."""
    label = f"{name} {form}" if form else name
    return f"{label} ({variant})" if variant else label
