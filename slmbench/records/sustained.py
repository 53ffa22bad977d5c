"""Minutes of uninterrupted work in a profile: whether the machine gets slower, and what its clock and heat did."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from pydantic import computed_field

from slmbench.records.base import Part
from slmbench.records.documents import Positive
from slmbench.statistics import Ratio

#: The last minute is compared with the first; of less than three minutes the last third with the first third.
WINDOW_S = 60.0
#: Parts of each that count as independent, and the minimum number that must have been measured.
BLOCKS, MIN_BLOCKS = 6, 3


class TracePoint(Part):
    """About a second of work."""

    #: When it began, in seconds since the beginning.
    at_s: float
    #: Reviews answered in it.
    reviews: int
    #: Median over them of the time taken over the usual time of the same review.
    relative: Positive
    #: Clock of the fastest core and temperature of the hottest sensor at its end; ``None`` where they are not shown.
    clock_mhz: float | None
    temperature_c: float | None


class Sustained(Part):
    """A trace of reviews answered one after another by one process, without a pause."""

    seconds: Positive
    trace: list[TracePoint]
    #: Why the clock, or the temperature, is not in the trace; ``None`` where it is.
    no_clock: str | None = None
    no_temperature: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def slowdown(self) -> Ratio | None:
        """Time of a review in the last minute over that in the first; ``None`` where too little was measured.

        Welch's t over six parts of each minute, on logarithms: seconds that follow one another are alike, tens of
        seconds less so. Reviews are compared with themselves, so their lengths play no part.
        """
        from scipy.stats import ttest_ind

        window = min(WINDOW_S, self.seconds / 3)
        first, last = self._levels(0.0, window), self._levels(self.seconds - window, window)
        if min(len(first), len(last)) < MIN_BLOCKS:
            return None
        value = float(np.mean(last) - np.mean(first))
        if not (np.ptp(first) or np.ptp(last)):
            exact = (math.exp(value), math.exp(value))
            return Ratio(value=math.exp(value), ci95=exact, ci90=exact)
        test = ttest_ind(last, first, equal_var=False)
        wide, narrow = (
            (math.exp(interval.low), math.exp(interval.high))
            for interval in (test.confidence_interval(level) for level in (0.95, 0.90))
        )
        return Ratio(value=math.exp(value), ci95=wide, ci90=narrow)

    def _levels(self, begin_s: float, window_s: float) -> list[float]:
        """Return the mean logarithm of each part of a window in which something was measured."""
        parts: dict[int, list[float]] = {}
        for point in self.trace:
            part = math.floor((point.at_s - begin_s) / window_s * BLOCKS)
            if 0 <= part < BLOCKS:
                parts.setdefault(part, []).append(math.log(point.relative))
        return [float(np.mean(levels)) for levels in parts.values()]

    @property
    def sentence(self) -> str:
        """What the trace shows, in one sentence."""
        found = self.slowdown
        if found is None or found.ci95 is None:
            return f"sustained for {self.seconds:.0f} s: too short to compare its end with its beginning"
        window = "minute" if self.seconds >= 3 * WINDOW_S else "third"
        low, high = found.ci95
        parts = [
            f"sustained for {self.seconds:.0f} s: a review takes {found.value:.2f}× as long in the last {window}"
            f" as in the first [{low:.2f}–{high:.2f}]"
        ]
        for name, unit, reason in (("clock", "MHz", self.no_clock), ("temperature", "°C", self.no_temperature)):
            field = "clock_mhz" if name == "clock" else "temperature_c"
            known = [value for point in self.trace if (value := getattr(point, field)) is not None]
            seen = f"{known[0]:,.0f} to {known[-1]:,.0f} {unit}" if known else f"unknown: {reason}"
            parts.append(f"{name} {seen}")
        return "; ".join(parts)
