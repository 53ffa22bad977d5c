"""The record of two forms measured alternately: which is faster on this machine, and by how much."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import computed_field

from slmbench.records.base import Part, Record
from slmbench.records.profile import Conditions, WorkloadIdentity
from slmbench.records.sessions import is_same_work
from slmbench.statistics import Ratio, paired_ratio, percentile, ratio_of_medians, why_no_interval
from slmbench.statistics.sessions import SessionSpread, deviation_apart, ratio_over_sessions
from slmbench.statistics.verdicts import (
    TIME_MARGIN,
    GateResult,
    Verdict,
    gate,
    processes_for_gate,
    verdict,
)

SpeedVerdict = Literal["faster", "equivalent", "slower", "undecided"]
#: In terms of speed what :func:`~slmbench.statistics.verdicts.verdict` calls better and worse.
_IN_SPEED: dict[Verdict, SpeedVerdict] = {
    "better": "faster",
    "equivalent": "equivalent",
    "worse": "slower",
    "undecided": "undecided",
}


class Contestant(Part):
    """One of the two: a form of a bundle."""

    bundle: str
    form: str
    backend: str
    size_bytes: int
    #: SHA-256 of the form's file.
    sha256: str
    #: ``None`` in older records.
    architecture: str | None = None

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
    #: How much times of this machine differ between sessions; ``None`` in older records.
    spread: SessionSpread | None = None
    #: Largest ratio of times that counts as equal, less 1.
    time_margin: float = TIME_MARGIN
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ratio(self) -> Ratio:
        """Median over reviews of first / second: above 1 the first is slower; intervals allow for other sessions."""
        return self._over_sessions(self.here)

    @cached_property
    def here(self) -> Ratio:
        """The same ratio with intervals for other processes of the same minutes."""
        return paired_ratio([pair.first_ms for pair in self.pairs], [pair.second_ms for pair in self.pairs])

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ratio_of_medians(self) -> Ratio:
        """Median latency of the first over that of the second."""
        return self._over_sessions(
            ratio_of_medians([pair.first_ms for pair in self.pairs], [pair.second_ms for pair in self.pairs])
        )

    @property
    def apart(self) -> SessionSpread | None:
        """By what the intervals of ratios are widened; ``None`` where both do the same work, and in older records."""
        return None if is_same_work(self.first, self.second) else self.spread

    def _over_sessions(self, ratio: Ratio) -> Ratio:
        return ratio if self.apart is None else ratio_over_sessions(ratio, self.apart)

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
        """How fast the first is compared with the second; ``equivalent`` within ``time_margin``."""
        bounds = self.ratio.bounds()
        return "undecided" if bounds is None else _IN_SPEED[verdict(bounds, math.log1p(self.time_margin))]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sentence(self) -> str:
        """The verdict as a sentence."""
        interval = self.ratio.ci95
        bounds = (
            f", 95 % interval {interval[0]:.3f}–{interval[1]:.3f}"
            if interval
            else f", {why_no_interval([pair.first_ms for pair in self.pairs])}"
        )
        if self.apart is not None and (here := self.here.ci95) is not None:
            bounds += f" ({here[0]:.3f}–{here[1]:.3f} in this session, widened by the spread of {self.apart.source})"
        found = f"a review takes {self.ratio.value:.3f}× the time{bounds}"
        named = f"{self.first.title} and {self.second.title}"
        if self.verdict == "undecided":
            return f"undecided which of {named} is faster: {found}"
        if self.verdict == "equivalent":
            return f"{named} are equally fast within {self.time_margin:.0%}: {found}"
        return f"{self.first.title} is {self.verdict} than {self.second.title}: {found}"

    def gate(self, limit: float) -> GateResult:
        """Return whether the first is slower by less than a share (0.05: 5 %), with 95 % confidence."""
        bounds = self.ratio.bounds()
        return "inconclusive" if bounds is None else gate(bounds, math.log1p(limit))

    def minutes_to_settle(self, limit: float) -> float | None:
        """Return how many more minutes of sampling would settle a gate, if the ratio is what was measured.

        ``None`` where none would in this session: sessions differ by more than the ratio does from the limit.
        """
        distance = abs(math.log1p(limit) - math.log(self.ratio.value))
        if self.apart is not None and deviation_apart(self.apart, 1, 0.90) >= distance:
            return None
        ratios = [np.divide(pair.first_ms, pair.second_ms) for pair in self.pairs]
        medians = [float(np.median(np.log(ratio))) for ratio in ratios]
        deviation = float(np.std(medians, ddof=1)) if len(medians) > 1 else abs(medians[0])
        needed = processes_for_gate(deviation, math.log1p(limit), -math.log(self.ratio.value))
        minutes = sum(sum(pair.first_ms) + sum(pair.second_ms) for pair in self.pairs) / 60_000 / len(self.pairs)
        return max(1, needed - len(self.pairs)) * minutes
