"""The record of two forms measured alternately: which is faster on this machine, and by how much."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import computed_field

from slmbench.records.base import Part, Record
from slmbench.records.profile import Conditions, WorkloadIdentity
from slmbench.statistics import Ratio, paired_ratio, percentile, ratio_of_medians

SpeedVerdict = Literal["faster", "slower", "undecided"]


class Contestant(Part):
    """One of the two: a form of a bundle."""

    bundle: str
    form: str
    backend: str
    size_bytes: int
    #: SHA-256 of the form's file.
    sha256: str

    @property
    def title(self) -> str:
        """Bundle and form."""
        return f"{self.bundle} {self.form}"


class ProcessPair(Part):
    """Two processes that run at the same time, asked alternately: sample ``i`` of both is of the same review."""

    first_ms: list[float]
    second_ms: list[float]


class VersusRecord(Record):
    """Two forms on one machine, timed alternately; ratios are the first's times over the second's."""

    kind = "versus"
    made_by = "slmbench versus"
    shown = (
        "first.bundle first.form first_p50_ms second.bundle second.form second_p50_ms ratio.value "
        "ratio.ci95.low ratio.ci95.high verdict"
    )

    first: Contestant
    second: Contestant
    device: str
    threads: int
    pairs: list[ProcessPair]
    corpus: WorkloadIdentity
    #: Set when the time limit ended sampling before the interval of the ratio was narrow enough.
    note: str | None
    warnings: list[str]
    conditions: Conditions
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ratio(self) -> Ratio:
        """Median over reviews of first / second: above 1 the first is slower."""
        return paired_ratio([pair.first_ms for pair in self.pairs], [pair.second_ms for pair in self.pairs])

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ratio_of_medians(self) -> Ratio:
        """Median latency of the first over that of the second."""
        return ratio_of_medians([pair.first_ms for pair in self.pairs], [pair.second_ms for pair in self.pairs])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def first_p50_ms(self) -> float:
        """Median latency of the first."""
        return percentile([ms for pair in self.pairs for ms in pair.first_ms], 50)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def second_p50_ms(self) -> float:
        """Median latency of the second."""
        return percentile([ms for pair in self.pairs for ms in pair.second_ms], 50)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> SpeedVerdict:
        """Whether the first is ``faster`` or ``slower``; ``undecided`` when the interval of ``ratio`` contains 1."""
        interval = self.ratio.ci95
        if interval is None or interval[0] <= 1 <= interval[1]:
            return "undecided"
        return "slower" if interval[0] > 1 else "faster"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sentence(self) -> str:
        """The verdict as a sentence."""
        interval = self.ratio.ci95
        bounds = (
            f", 95 % interval {interval[0]:.3f}–{interval[1]:.3f}"
            if interval
            else ", too few samples for an interval"
        )
        found = f"a review takes {self.ratio.value:.3f}× the time{bounds}"
        if self.verdict == "undecided":
            return f"no significant difference in speed between {self.first.title} and {self.second.title}: {found}"
        return f"{self.first.title} is {self.verdict} than {self.second.title}: {found}"

    def slower_by_more_than(self, share: float) -> bool:
        """Return whether the first is significantly slower and the ratio above 1 by more than a share (0.05: 5 %)."""
        return self.verdict == "slower" and self.ratio.value > 1 + share
