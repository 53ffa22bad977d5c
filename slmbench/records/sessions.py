"""Sessions of measurement: which processes were timed together, and how fast the machine was meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from pydantic import computed_field

from slmbench.records.base import Part
from slmbench.statistics.intervals import Interval
from slmbench.statistics.sessions import SessionSpread, next_session, over_sessions

#: With fewer runs of the sentinel nothing is said of a drift.
MIN_RUNS = 3


class SentinelTimes(Part):
    """One run of the sentinel (:mod:`slmbench.instruments.sentinel`): how long each kind of work took."""

    gemm_ms: float
    copy_ms: float
    text_ms: float

    @property
    def as_list(self) -> list[float]:
        """The three times (ms)."""
        return [self.gemm_ms, self.copy_ms, self.text_ms]

    @property
    def total_ms(self) -> float:
        """All of it."""
        return sum(self.as_list)


class SentinelSession(SentinelTimes):
    """What is kept of a session of a machine: the median of each kind of work."""

    #: Id of the session.
    id: str
    #: When it began, ISO 8601.
    began: str
    #: Versions of the libraries that did the work.
    libraries: dict[str, str]


class MeasuringSession(Part):
    """One stretch of time in which processes of a cell were timed, in turns with those of other cells."""

    #: The same in the records of all cells that were timed in turns.
    id: str
    began: str
    #: Number of cells timed in turns.
    cells: int
    #: Seed of the order within blocks.
    seed: int
    #: Number of the block, from 1, of each process of this cell, in the order of the latency's processes.
    blocks: list[int]
    #: Runs of the sentinel: one before each block, and one after the last.
    sentinel: list[SentinelTimes]

    @property
    def sentinel_ms(self) -> float:
        """Median time of the sentinel."""
        return float(np.median([run.total_ms for run in self.sentinel]))

    @property
    def sentence(self) -> str:
        """The times of the sentinel over the blocks, in one line."""
        times = [run.total_ms for run in self.sentinel]
        drift = "" if self.drift is None else f", drift over the blocks {100 * self.drift:+.0f} %"
        return f"sentinel {self.sentinel_ms:.3g} ms [{min(times):.3g}–{max(times):.3g}]{drift}"

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def drift(self) -> float | None:
        """Change of the sentinel's time from first to last run, as a share; ``None`` with fewer than three runs."""
        return self._drift[0] if self._drift else None

    @property
    def is_drifting(self) -> bool:
        """Whether the sentinel moved by more than its spread: the 95 % interval of its slope excludes zero."""
        return self._drift is not None and (self._drift[1] > 0 or self._drift[2] < 0)

    @cached_property
    def _drift(self) -> tuple[float, float, float] | None:
        """The drift and its interval: Theil and Sen's slope (Sen, *JASA* 63, 1968) of the logarithms."""
        from scipy.stats import theilslopes

        count = len(self.sentinel)
        if count < MIN_RUNS:
            return None
        slope, _, low, high = theilslopes(np.log([run.total_ms for run in self.sentinel]), alpha=0.95)
        change, least, most = (math.expm1(each * (count - 1)) for each in (slope, low, high))
        return change, least, most


class Work(Protocol):
    """A form that was timed: a profile, or a side of ``versus``."""

    @property
    def form(self) -> str:
        """The form."""

    @property
    def architecture(self) -> str | None:
        """What it is a form of; ``None`` where that was not kept."""

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""


def is_same_work(first: Work, second: Work) -> bool:
    """Return whether two forms do the same work with other numbers: what a session does to one, it does to the other.

    That is the same form of the same architecture and size (within 1 %), such as two seeds or two trainings.
    """
    if first.architecture is None or (first.form, first.architecture) != (second.form, second.architecture):
        return False
    sizes = first.size_bytes, second.size_bytes
    return max(sizes) <= 1.01 * min(sizes)


class InSessions(Part):
    """Times of processes that were measured in sessions."""

    #: Number of the session, from 0, of each process; those that began within ten minutes have one number. ``None``
    #: in records from before sessions were kept.
    sessions: list[int] | None = None
    #: How much times of this machine differ between sessions, by which intervals are widened; ``None`` likewise.
    spread: SessionSpread | None = None

    @property
    def widening(self) -> str | None:
        """How the intervals allow for other sessions, in words; ``None`` in older records."""
        if self.sessions is None or self.spread is None:
            return None
        count, spread = len(set(self.sessions)), self.spread
        lack = "" if spread.stored else ", because fewer than three sessions of this machine are stored"
        in_one = "one session" if count == 1 else f"{count} sessions"
        return (
            f"measured in {in_one}: intervals are widened by the spread between sessions of {spread.source}"
            f" (±{100 * spread.deviation:.0f} %){lack}"
        )

    def over_sessions(
        self,
        value: float,
        interval: Interval | None,
        medians: Sequence[float],
        *,
        slowed: Callable[[float], float] | None = None,
    ) -> Interval | None:
        """Widen an interval to what other sessions would show; as it is in older records.

        Args:
            value: The time, or a rate that falls as times grow.
            interval: For other processes of the same sessions.
            medians: Of each process.
            slowed: As :func:`slmbench.statistics.sessions.over_sessions` takes it.
        """
        if interval is None or self.sessions is None or self.spread is None:
            return interval
        return over_sessions(value, interval, medians, self.sessions, self.spread, slowed=slowed)

    def next_session(self, value: float, interval: Interval | None) -> Interval | None:
        """Return where the time is expected in one further session; ``None`` where no spread of sessions is known."""
        if interval is None or self.sessions is None or self.spread is None:
            return None
        return next_session(value, interval, self.sessions, self.spread)
