"""Times measured in several processes, as every record of speed keeps them."""

from __future__ import annotations

from functools import cached_property

from pydantic import computed_field

from slmbench.records.base import Part
from slmbench.statistics import Interval, clustered_median_interval, why_no_interval


class Timed(Part):
    """Samples in milliseconds; one list per process, in the order taken."""

    processes_ms: list[list[float]]

    @property
    def all_ms(self) -> list[float]:
        """The samples of all processes."""
        return [sample for process in self.processes_ms for sample in process]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ci95_ms(self) -> Interval | None:
        """95 % interval of the median, as wide as the processes differ; ``None`` for :attr:`no_interval`."""
        return clustered_median_interval(self.processes_ms)

    @property
    def no_interval(self) -> str | None:
        """Why there is none, as a phrase: too few processes or too few samples."""
        return why_no_interval(self.processes_ms)
