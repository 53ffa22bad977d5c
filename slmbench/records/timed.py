"""Times measured in several processes, as every record of speed keeps them."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from pydantic import ValidationInfo, computed_field, model_validator

from slmbench.records.documents import Count, Times, is_reading
from slmbench.records.sessions import InSessions
from slmbench.statistics import (
    Interval,
    clustered_median_interval,
    percentile,
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
        return None if here is None else self._over_sessions(percentile(self.all_ms, 50), here, self.process_p50_ms)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def next_session_ms(self) -> Interval | None:
        """Where the median of one further session lies with 95 %; ``None`` where no spread of sessions is known."""
        here = self.here_ci95_ms
        return None if here is None else self._next_session(percentile(self.all_ms, 50), here)

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
