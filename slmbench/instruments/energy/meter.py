"""A meter around a region of code: energy from the machine's counters, or estimated from CPU time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from slmbench.instruments.energy.counters import CounterError
from slmbench.instruments.energy.energy_sources import EnergySources

#: Minimum duration of a region in updates of its slowest counter: one more or less is then 5 % of it.
MIN_UPDATES = 20
#: Minimum CPU time for an estimate: 20 ticks of the 10 ms in which most kernels count it.
MIN_CPU_S = 0.2


@dataclass(frozen=True)
class EnergyReading:
    """What a meter read; from counters it is the energy of the whole machine, idle power included.

    Attributes:
        seconds: Duration of the region.
        joules: ``None`` where it is unknown.
        quality: How it is known; ``None`` where it is unknown.
        source: Where it is from.
        reason: Why it is unknown.
    """

    seconds: float
    joules: float | None = None
    quality: Literal["measured", "estimated"] | None = None
    source: str | None = None
    reason: str | None = None


class EnergyMeter:
    """Reads the energy of the body of its ``with`` statement; afterwards ``reading`` is set.

    A thread reads the counters before they can wrap around twice, and sleeps in between.

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
        """Take the last readings; when the body failed, there are none."""
        seconds = self.elapsed_s
        self._ended.set()
        if self._sources.counters:
            self._thread.join()
        if error is None:  # otherwise the measured process may have ended
            self._attempt(lambda counter: counter.poll())
            self.reading = self._read(seconds)

    def _keep_polling(self) -> None:
        pause = min(counter.poll_s for counter in self._sources.counters)
        while not self._ended.wait(pause):
            self._attempt(lambda counter: counter.poll())

    def _attempt(self, step: Callable) -> None:
        if self._failure:  # a counter that was not started cannot be read further
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
            if used < MIN_CPU_S:
                return EnergyReading(seconds, reason=f"too short: {used:.2g} s of CPU time, {MIN_CPU_S:g} s needed")
            return EnergyReading(seconds, sources.estimate.joules(used, seconds), "estimated", sources.source)
        minimum = min_seconds(sources)
        if seconds < minimum:
            reason = f"too short: {seconds:.2g} s, {minimum:g} s needed for these counters"
            return EnergyReading(seconds, reason=reason)
        for counter in sources.counters:
            if counter.joules == 0:
                return EnergyReading(seconds, reason=f"the counter {counter.name} did not change in {seconds:.2g} s")
        joules = sum(counter.joules for counter in sources.counters)
        return EnergyReading(seconds, joules, "measured", sources.source)


def min_seconds(sources: EnergySources) -> float:
    """Return the minimum duration (s) of a region for its energy to be known to 5 %."""
    return MIN_UPDATES * max((counter.update_s for counter in sources.counters), default=0.0)
