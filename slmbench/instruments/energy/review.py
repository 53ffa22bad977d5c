"""Energy per review: a few seconds of work under a meter, minus the idle power of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from slmbench.instruments.energy.energy_sources import EnergySources
from slmbench.instruments.energy.meter import EnergyMeter, EnergyReading, min_seconds
from slmbench.records.energy import Energy

#: Seconds of work under the meter, and of idling before it.
WORK_S = 3.0
IDLE_S = 3.0
#: Parts of the idle time: their difference shows how much idle power varies.
IDLE_PARTS = 3


@dataclass(frozen=True)
class Idle:
    """Power of the machine while the measured process sleeps.

    Attributes:
        watts: Mean; ``None`` where it could not be read.
        spread_watts: Largest difference between the parts.
        reason: Why it could not be read.
    """

    watts: float | None = None
    spread_watts: float = 0.0
    reason: str | None = None


def measure_energy(
    work: Callable[[], int],
    sources: EnergySources,
    cpu_time: Callable[[], float] = time.process_time,
    *,
    seconds: float = WORK_S,
) -> Energy:
    """Measure or estimate the energy per review; no work is done where the energy stays unknown.

    Args:
        work: Classifies some reviews, for at most about a second, and returns how many; it is called repeatedly.
        sources: From :func:`slmbench.instruments.energy.find_sources`.
        cpu_time: CPU seconds so far of the process that does the work.
        seconds: Minimum duration of the work (s).
    """
    if sources.reason:
        return Energy(reason=sources.reason)
    idle = measure_idle(sources) if sources.counters else None
    reviews = 0
    with EnergyMeter(sources, cpu_time) as meter:
        while meter.elapsed_s < max(seconds, min_seconds(sources)):
            reviews += work()
    return energy_per_review(meter.reading, idle, reviews)


def measure_idle(
    sources: EnergySources,
    seconds: float = IDLE_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Idle:
    """Measure the power of the machine while this process and the one it measures sleep.

    Args:
        sources: With counters.
        seconds: Total duration (s).
        sleep: Another way to pass time, for tests.
        clock: The clock that goes with it.
    """
    # A little more than the minimum: sleep() may end early by a tick of the clock.
    part = max(seconds / IDLE_PARTS, 1.1 * min_seconds(sources))
    powers = []
    for _ in range(IDLE_PARTS):
        with EnergyMeter(sources, clock=clock) as meter:
            sleep(part)
        if meter.reading.joules is None:
            return Idle(reason=meter.reading.reason)
        powers.append(meter.reading.joules / meter.reading.seconds)
    return Idle(sum(powers) / len(powers), max(powers) - min(powers))


def energy_per_review(reading: EnergyReading, idle: Idle | None, reviews: int) -> Energy:
    """Divide the energy that a meter read, minus the idle power, by the number of reviews.

    Args:
        reading: Of the work.
        idle: Of the time before it, for a measured reading; an estimate has no idle part.
        reviews: Reviews classified while the meter ran, at least one.

    Returns:
        ``joules_per_review`` is ``None`` when the reviews added no more than idle power varies, so it is never
        negative.
    """
    if reading.joules is None:
        return Energy(reason=reading.reason, seconds=reading.seconds, reviews=reviews)
    joules, idle_watts = reading.joules, None
    if reading.quality == "measured":
        if idle is None or idle.watts is None:
            reason = f"the idle power is unknown: {idle.reason if idle else 'it was not measured'}"
            return Energy(reason=reason, seconds=reading.seconds, reviews=reviews)
        idle_watts = idle.watts
        joules -= idle_watts * reading.seconds
        added = joules / reading.seconds
        if added <= idle.spread_watts:
            reason = (
                f"the reviews added {added:.2g} W to {idle_watts:.3g} W of idle power, which varies by"
                f" {idle.spread_watts:.2g} W itself"
            )
            return Energy(reason=reason, seconds=reading.seconds, reviews=reviews, idle_watts=idle_watts)
    return Energy(
        joules_per_review=joules / reviews,
        quality=reading.quality,
        source=reading.source,
        seconds=reading.seconds,
        reviews=reviews,
        idle_watts=idle_watts,
    )
