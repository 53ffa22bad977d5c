"""A meter around a region of code: the energy of the machine's counters, or that of a process's CPU time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from slmbench.instruments.energy.counters import CounterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from slmbench.instruments.energy.sources import EnergySources

#: A region has to last so many updates of its slowest counter: one more or less is then 5 % of it.
LEAST_UPDATES = 20
#: CPU time is told in ticks of 10 ms by most kernels; so much of it is 20 ticks.
LEAST_CPU_S = 0.2


@dataclass(frozen=True)
class EnergyReading:
    """What a meter read. Of counters, the machine's whole energy, idle power included.

    Attributes:
        seconds: How long the region took.
        joules: ``None`` where it is not known.
        quality: How; ``None`` where it is not known.
        source: What told it.
        reason: Why it is not known.
    """

    seconds: float
    joules: float | None = None
    quality: Literal["measured", "estimated"] | None = None
    source: str | None = None
    reason: str | None = None


class EnergyMeter:
    """Reads energy from its ``with`` statement's beginning to its end; afterwards ``reading`` is there.

    Counters are read by a thread now and then, before they can wrap around twice, and it sleeps in between.

    Args:
        sources: From :func:`slmbench.instruments.energy.find_sources`.
        cpu_time: CPU seconds so far of the process that is measured, for estimates; by default this process's.
        clock: Seconds, for tests.
    """

    reading: EnergyReading

    def __init__(
        self,
        sources: EnergySources,
        cpu_time: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._cpu_time = cpu_time
        self._clock = clock
        self._ended = threading.Event()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._keep_polling, daemon=True)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the region began."""
        return self._clock() - self._began

    def __enter__(self) -> EnergyMeter:
        """Take the first readings."""
        self._cpu_before = self._cpu_time() if self._sources.estimate else 0.0
        self._attempt(lambda counter: counter.start())
        self._began = self._clock()
        if self._sources.counters:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the last readings; of a region that failed there is none."""
        seconds = self.elapsed_s
        self._ended.set()
        if self._sources.counters:
            self._thread.join()
        if error is None:  # else the process to be asked may be gone
            self._attempt(lambda counter: counter.poll())
            self.reading = self._read(seconds)

    def _keep_polling(self) -> None:
        pause = min(counter.poll_s for counter in self._sources.counters)
        while not self._ended.wait(pause):
            self._attempt(lambda counter: counter.poll())

    def _attempt(self, step: Callable) -> None:
        if self._failure:  # a counter that was not started has nothing to go on from
            return
        try:
            for counter in self._sources.counters:
                step(counter)
        except CounterError as error:
            self._failure = str(error)

    def _read(self, seconds: float) -> EnergyReading:
        sources = self._sources
        if reason := sources.reason or self._failure:
            return EnergyReading(seconds, reason=reason)
        if sources.estimate:
            used = self._cpu_time() - self._cpu_before
            if used < LEAST_CPU_S:
                return EnergyReading(
                    seconds, reason=f"too short to tell: {used:.2g} s of CPU time, {LEAST_CPU_S:g} s needed"
                )
            return EnergyReading(seconds, sources.estimate.joules(used, seconds), "estimated", sources.source)
        least = least_seconds(sources)
        if seconds < least:
            reason = f"too short to tell: {seconds:.2g} s, {least:g} s needed for these counters"
            return EnergyReading(seconds, reason=reason)
        for counter in sources.counters:
            if counter.joules == 0:
                return EnergyReading(seconds, reason=f"the counter {counter.name} did not move in {seconds:.2g} s")
        joules = sum(counter.joules for counter in sources.counters)
        return EnergyReading(seconds, joules, "measured", sources.source)


def least_seconds(sources: EnergySources) -> float:
    """Return how long a region has to last for the counters to tell its energy to 5 %."""
    return LEAST_UPDATES * max((counter.update_s for counter in sources.counters), default=0.0)
