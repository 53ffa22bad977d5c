"""Energy counters: joules between two readings, with wrap-around corrected and resets detected."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

#: More than any processor package or accelerator board draws: a counter that shows more was reset in between.
PLAUSIBLE_WATTS = 2000.0


class CounterError(Exception):
    """A counter that could not be read, or has impossible values; the message is a reason for a record."""


class Counter(Protocol):
    """A source of energy readings.

    Attributes:
        name: Its name for people, such as ``RAPL package-0``.
        update_s: Seconds between two updates of its value.
        poll_s: Maximum time between two readings (s).
        joules: Energy counted from :meth:`start` to the last :meth:`poll`.
    """

    name: str
    update_s: float
    poll_s: float
    joules: float

    def start(self) -> None:
        """Take the first reading; raises :class:`CounterError`."""

    def poll(self) -> None:
        """Take a further reading; raises :class:`CounterError`."""


class _Polled:
    """A counter whose joules between two readings a subclass computes; see :class:`Counter`."""

    def __init__(
        self, name: str, read: Callable[[], float], update_s: float, poll_s: float, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.update_s = update_s
        self.poll_s = poll_s
        self.joules = 0.0
        self._read = read
        self._clock = clock

    def start(self) -> None:
        """Take the first reading."""
        self.joules = 0.0
        self._last, self._at = self._read(), self._clock()

    def poll(self) -> None:
        """Take a further reading."""
        now, at = self._read(), self._clock()
        self.joules += self._between(self._last, now, at - self._at)
        self._last, self._at = now, at

    def _between(self, last: float, now: float, seconds: float) -> float:
        """Return the joules between two readings."""
        raise NotImplementedError


class CumulativeCounter(_Polled):
    """A counter of joules that grows until it wraps around.

    Args:
        name: See :class:`Counter`.
        read: Returns its value in joules; raises :class:`CounterError`.
        update_s: See :class:`Counter`.
        wraps_at: Its maximum value in joules; ``None`` when it does not wrap.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], float],
        update_s: float,
        wraps_at: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Twice before it could wrap at the highest plausible power: a second wrap-around would go unnoticed.
        poll_s = wraps_at / PLAUSIBLE_WATTS / 2 if wraps_at else 60.0
        super().__init__(name, read, update_s, poll_s, clock)
        self._wraps_at = wraps_at

    def _between(self, last: float, now: float, seconds: float) -> float:
        step = now - last
        if step < 0 and self._wraps_at is not None:
            step += self._wraps_at
        # 0.1 s more: the counter may have been about to be updated when it was first read.
        if not 0 <= step <= PLAUSIBLE_WATTS * (seconds + 0.1):
            raise CounterError(f"the counter {self.name} was reset during the measurement")
        return step


class PowerIntegral(_Polled):
    """Energy from power readings by the trapezoid rule, for devices without an energy counter.

    Args:
        name: See :class:`Counter`.
        read: Returns the present power in watts; raises :class:`CounterError`.
        update_s: See :class:`Counter`; it is also the interval of the readings.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], float],
        update_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, read, update_s, update_s, clock)

    def _between(self, last: float, now: float, seconds: float) -> float:
        return (last + now) / 2 * seconds
