"""The record of a tuning: the form, provider, threads and token budget that are fastest on one machine."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import Field, computed_field

from slmbench.records.base import Part, Record
from slmbench.records.profile import Conditions, WorkloadIdentity
from slmbench.records.sweep import ONE_AT_A_TIME, SweepPoint
from slmbench.statistics import Interval, clustered_median_interval, percentile


class Setting(Part):
    """A way to run a bundle one review at a time."""

    form: str
    provider: str
    threads: int

    @property
    def title(self) -> str:
        """The setting in words."""
        return f"{self.form} on {self.provider} with {self.threads} thread{'' if self.threads == 1 else 's'}"


class Candidate(Part):
    """A setting and its single-review times, one list a fresh process; ``failure`` says why there are none."""

    setting: Setting
    processes_ms: list[list[float]]
    failure: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p50_ms(self) -> float | None:
        """Median time of a review."""
        samples = [ms for process in self.processes_ms for ms in process]
        return percentile(samples, 50) if samples else None

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ci95_ms(self) -> Interval | None:
        """95 % interval of it, as wide as the processes differ."""
        return clustered_median_interval(self.processes_ms) if self.processes_ms else None


class TuningRecord(Record):
    """Which setting is fastest for a bundle on one machine; ``slmbench.edge.tuned`` reads it back."""

    kind = "tuning"

    bundle: str
    #: Of the bundle that was tuned: a bundle that was exported again is another.
    seal: str
    candidates: list[Candidate]
    #: Passes over the corpus with the chosen setting, by token budget (0: one review at a time).
    batches: list[SweepPoint] = Field(default_factory=list)
    rounds: int
    corpus: WorkloadIdentity
    conditions: Conditions
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def chosen(self) -> Setting:
        """The fastest setting that was measured in every round."""
        finalists = [candidate for candidate in self.candidates if len(candidate.processes_ms) == self.rounds]
        return min(finalists, key=lambda candidate: candidate.p50_ms or float("inf")).setting

    @computed_field  # type: ignore[prop-decorator]
    @property
    def batch_tokens(self) -> int | None:
        """Token budget with most reviews a second; ``None`` when one at a time is no slower."""
        if not self.batches:
            return None
        best = min(self.batches, key=lambda point: point.p50_ms).value
        return None if best == ONE_AT_A_TIME else best

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sentence(self) -> str:
        """What was found."""
        by_setting = {candidate.setting: candidate for candidate in self.candidates}
        best = by_setting[self.chosen]
        equal = [
            candidate.setting.title
            for candidate in self.candidates
            if candidate is not best and _overlap(candidate.ci95_ms, best.ci95_ms)
        ]
        many = next((point for point in self.batches if point.value == (self.batch_tokens or ONE_AT_A_TIME)), None)
        sentence = f"{self.chosen.title} is fastest here: {best.p50_ms:.3g} ms a review"
        if many is not None:
            way = f"in batches of {self.batch_tokens:,} tokens" if self.batch_tokens else "one at a time"
            sentence += f"; many reviews are best run {way} ({many.reviews_per_second:,.0f} a second)"
        return sentence + (f"; not told apart from it: {', '.join(equal)}" if equal else "")


def _overlap(one: Interval | None, other: Interval | None) -> bool:
    """Say whether two intervals overlap; a candidate that was dropped early has none and was told apart."""
    return one is not None and other is not None and one[0] <= other[1] and other[0] <= one[1]
