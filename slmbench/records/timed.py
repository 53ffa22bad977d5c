"""Times measured in several processes, as every record of speed keeps them, and the latency of reviews."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np
from pydantic import ValidationInfo, computed_field, model_validator

from slmbench.records.documents import Count, Times, is_reading
from slmbench.records.sessions import InSessions
from slmbench.statistics import (
    PERCENTILE_SAMPLES,
    Interval,
    Outliers,
    clustered_median_interval,
    count_outliers,
    crossed_percentile_interval,
    percentile,
    supported_percentile,
    timing_interval,
    why_no_interval,
)


class Timed(InSessions):
    """Samples in milliseconds; one list per process, in the order taken."""

    processes_ms: Times
    #: Sample ``i`` of a process is of review ``i % reviews`` (or of that batch, text or pass); ``None`` where that
    #: was not kept.
    reviews: Count | None = None

    @model_validator(mode="after")
    def _each_in_a_session(self, info: ValidationInfo) -> Self:
        if is_reading(info) and self.sessions is not None and len(self.sessions) != len(self.processes_ms):
            raise ValueError("sessions: they are not one for each process")
        return self

    @property
    def all_ms(self) -> list[float]:
        """The samples of all processes."""
        return [sample for process in self.processes_ms for sample in process]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ci95_ms(self) -> Interval | None:
        """95 % interval of the median for other processes and sessions; ``None`` for :attr:`no_interval`.

        It is for these reviews, and rows that timed the same ones are compared by it: how long reviews are is no part
        of it, except in records that do not tell which sample is of which review.
        """
        here = self.here_ci95_ms
        return None if here is None else self.over_sessions(percentile(self.all_ms, 50), here, self.process_p50_ms)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def next_session_ms(self) -> Interval | None:
        """Where the median of one further session lies with 95 %; ``None`` where no spread of sessions is known."""
        here = self.here_ci95_ms
        return None if here is None else self.next_session(percentile(self.all_ms, 50), here)

    @cached_property
    def here_ci95_ms(self) -> Interval | None:
        """95 % interval of the median for other processes of the same sessions, as wide as the processes differ."""
        if self.reviews is None:
            return clustered_median_interval(self.processes_ms)
        return timing_interval(self.processes_ms, self.reviews)

    @property
    def process_p50_ms(self) -> list[float]:
        """Median of each process; they vary more than the samples within one."""
        return [percentile(process, 50) for process in self.processes_ms]

    @property
    def no_interval(self) -> str | None:
        """Why there is none, as a phrase: too few processes or too few samples."""
        return why_no_interval(self.processes_ms)


class Latency(Timed):
    """Text in, label out.

    A sample depends on the scenario: ``single`` one review, ``offline`` one batch, ``server`` one review from its
    arrival, waiting included. Percentiles are of such reviews: their number of samples is that of different reviews,
    and their intervals are for other reviews and other processes. ``ci95_ms`` is of the median of these reviews.
    """

    #: Times of further different reviews, one list per process, each review once: for percentiles that need more than
    #: ``reviews``. ``None`` where a review takes too long for that, and in older records.
    further_ms: Times | None = None
    #: Whether a sample has the wait for earlier reviews in it, as in the ``server`` scenario.
    queued: bool = False
    #: Set when the time limit ended sampling before the interval of the median was narrow enough.
    note: str | None = None

    @model_validator(mode="after")
    def _further_of_each(self, info: ValidationInfo) -> Self:
        if is_reading(info) and self.further_ms is not None and len(self.further_ms) != len(self.processes_ms):
            raise ValueError("further_ms: they are not of each process")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def samples_ms(self) -> list[float]:
        """All samples of all processes."""
        return self.all_ms

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p50_ms(self) -> float:
        """Median latency."""
        return percentile(self.samples_ms, 50)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def p50_ci95_ms(self) -> Interval | None:
        """95 % interval of the median latency of such reviews; ``None`` from fewer than six different ones."""
        return self._interval_of_such_reviews(50)

    @property
    def different(self) -> int:
        """Number of different reviews (or batches) among the samples; repeats of one are not independent."""
        longest = max(map(len, self.processes_ms))
        return longest if self.reviews is None else min(self.reviews, longest)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p95_ms(self) -> float | None:
        """95th percentile, when 130 different reviews support it."""
        return self._supported(95)[0]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def p95_ci95_ms(self) -> Interval | None:
        """95 % interval of the 95th percentile of such reviews, where that is supported."""
        return self._tail_interval(95)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p99_ms(self) -> float | None:
        """99th percentile, when 662 different reviews support it, the further ones included."""
        return self._supported(99)[0]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def p99_ci95_ms(self) -> Interval | None:
        """95 % interval of the 99th percentile of such reviews, where that is supported."""
        return self._tail_interval(99)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def unsupported(self) -> dict[str, str]:
        """Why a percentile, or the interval of the median, is null."""
        reasons = {f"p{q}_ms": self._supported(q)[1] for q in (95, 99)}
        reasons["ci95_ms"] = self.no_interval
        return {name: reason for name, reason in reasons.items() if reason}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean_ms(self) -> float:
        """Mean latency."""
        return float(np.mean(self.samples_ms))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def process_p50_ms(self) -> list[float]:
        """Median of each process; they vary more than the samples within one."""
        return super().process_p50_ms

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def outliers(self) -> Outliers | None:
        """Samples far above the others of the same review; they are counted, not removed."""
        if self.reviews is None or self.queued:
            return None
        return count_outliers(self.processes_ms, self.reviews)

    def _supported(self, q: int) -> tuple[float | None, str | None]:
        """Return a percentile, or why there is none."""
        processes, different = self._times_of_such_reviews(q)
        return supported_percentile([ms for process in processes for ms in process], q, different)

    def _times_of_such_reviews(self, q: int) -> tuple[list[list[float]], int]:
        """Return what a percentile is computed from, by process, and of how many different reviews it is.

        The samples, or where these are of too few reviews the first pass with the further reviews.
        """
        if self.further_ms is None or self.different >= PERCENTILE_SAMPLES.get(q, 0):
            return self.processes_ms, self.different
        once = [
            first[: self.different] + more for first, more in zip(self.processes_ms, self.further_ms, strict=True)
        ]
        return once, self.different + min(map(len, self.further_ms))

    def _tail_interval(self, q: int) -> Interval | None:
        return None if self._supported(q)[0] is None else self._interval_of_such_reviews(q)

    def _interval_of_such_reviews(self, q: int) -> Interval | None:
        """Return the interval of a percentile for other reviews, processes and sessions."""
        processes, different = self._times_of_such_reviews(q)
        here = crossed_percentile_interval(processes, different, q)
        if here is None:
            return None
        own = [percentile(process, q) for process in processes]
        return self.over_sessions(percentile([ms for process in processes for ms in process], q), here, own)
