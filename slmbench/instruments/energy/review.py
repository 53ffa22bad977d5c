"""Energy of one review: a few seconds of work under a meter, less what the machine draws when it does nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.instruments.energy.meter import EnergyMeter, least_seconds
from slmbench.records.energy import Energy

if TYPE_CHECKING:
    from collections.abc import Callable

    from slmbench.instruments.energy.meter import EnergyReading
    from slmbench.instruments.energy.sources import EnergySources

#: Seconds of work under the meter, and of idling before it.
WORK_S = 3.0
IDLE_S = 3.0
#: The idle time is cut in so many parts: how far they differ is how far idle power wanders by itself.
IDLE_PARTS = 3


@dataclass(frozen=True)
class Idle:
    """What the machine draws while the measured process sleeps.

    Attributes:
        watts: On average; ``None`` where it could not be read.
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
    """Measure, or estimate, what a review takes.

    Nothing is run where nothing tells energy.

    Args:
        work: Classifies some reviews, a second's worth at the most, and returns how many; it is called again and
            again.
        sources: From :func:`slmbench.instruments.energy.find_sources`.
        cpu_time: CPU seconds so far of the process that does the work.
        seconds: How long to work at the least.
    """
    if sources.reason:
        return Energy(reason=sources.reason)
    idle = measure_idle(sources) if sources.counters else None
    reviews = 0
    with EnergyMeter(sources, cpu_time) as meter:
        while meter.elapsed_s < max(seconds, least_seconds(sources)):
            reviews += work()
    return energy_per_review(meter.reading, idle, reviews)


def measure_idle(
    sources: EnergySources,
    seconds: float = IDLE_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Idle:
    """Measure what the machine draws while this process, and the one it measures, sleep.

    Args:
        sources: With counters.
        seconds: How long in all.
        sleep: Another way to pass time, for tests.
        clock: The clock it moves.
    """
    # A little longer than a meter has to have: sleep() may be early by the clock's tick.
    part = max(seconds / IDLE_PARTS, 1.1 * least_seconds(sources))
    powers = []
    for _ in range(IDLE_PARTS):
        with EnergyMeter(sources, clock=clock) as meter:
            sleep(part)
        if meter.reading.joules is None:
            return Idle(reason=meter.reading.reason)
        powers.append(meter.reading.joules / meter.reading.seconds)
    return Idle(sum(powers) / len(powers), max(powers) - min(powers))


def energy_per_review(reading: EnergyReading, idle: Idle | None, reviews: int) -> Energy:
    """Divide what a meter read, less the idle power, by the reviews.

    Args:
        reading: Of the work.
        idle: Of the time before it, for a measured reading; an estimate has no idle part.
        reviews: How many were classified while the meter ran, at least one.

    Returns:
        ``joules_per_review`` is ``None`` when the reviews added no more than idle power wanders by itself, so that
        it is never negative.
    """
    if reading.joules is None:
        return Energy(reason=reading.reason, seconds=reading.seconds, reviews=reviews)
    joules, idle_watts = reading.joules, None
    if reading.quality == "measured":
        if idle is None or idle.watts is None:
            reason = f"the idle power is not known: {idle.reason if idle else 'it was not measured'}"
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
