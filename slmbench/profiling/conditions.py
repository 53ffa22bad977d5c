"""What else the machine did while samples were taken, and a sentence that explains unsteady samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil

from slmbench.instruments.cpu_time import busy_seconds
from slmbench.records import Conditions
from slmbench.records.roofline import NOTABLE_SHARE

#: A clock frequency that varied by more than this share is named as a cause.
NOTABLE_CLOCK = 0.03
#: Counters of CPU time have a resolution of 10 ms: over a shorter time their shares are too inexact.
MIN_SECONDS = 0.2
#: Twice that resolution: enough to see that a thread spins.
TICKS_S = 0.02
MAX_SPIN_S = 0.25


class Watch:
    """Counters of the system and of measured processes, read when sampling begins, between chunks and at its end."""

    def __init__(self, *pids: int) -> None:
        self._ours = [psutil.Process(), *map(psutil.Process, pids)]
        self._began = self._now()
        self._clocks: list[float] = []
        self.look()

    def look(self) -> None:
        """Read the clock frequency; call it right after work, before the cores slow down again."""
        clock = fastest_clock_mhz()
        if clock is not None:
            self._clocks.append(clock)

    def end(self) -> Seen:
        """Return what was seen since the beginning."""
        self.look()
        then, now = self._began, self._now()
        clocks = (min(self._clocks), max(self._clocks)) if self._clocks else None
        if then is None or now is None or now[0] - then[0] < MIN_SECONDS:
            return Seen(None, None, clocks)
        seconds, busy, steal, ours = (after - before for after, before in zip(now, then, strict=True))
        whole = seconds * (psutil.cpu_count(logical=True) or 1)
        # The parts are read one after another, so the remainder may be slightly below 0.
        return Seen(min(1.0, max(0.0, (busy - ours) / whole)), min(1.0, max(0.0, steal / whole)), clocks)

    def _now(self) -> tuple[float, float, float, float] | None:
        """Return wall time, CPU time of all processes, stolen time, CPU time of ours; ``None`` where unreadable."""
        try:
            system = psutil.cpu_times()
            ours = sum(map(cpu_seconds, self._ours))
        except (psutil.Error, OSError):
            return None
        return time.monotonic(), busy_seconds(system), getattr(system, "steal", 0.0), ours


class Seen:
    """What a :class:`Watch` saw: shares of the time of all cores, and the lowest and highest clock in MHz."""

    def __init__(self, others: float | None, steal: float | None, clocks: tuple[float, float] | None) -> None:
        self.others, self.steal, self.clocks = others, steal, clocks


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process so far, in seconds.

    Raises:
        psutil.Error: The process has ended, or may not be read.
    """
    times = process.cpu_times()
    return times.user + times.system


def wait_until_idle(pid: int) -> None:
    """Sleep until a process that has answered uses no CPU any more, at most a quarter of a second.

    onnxruntime's threads spin after an answer, waiting for more work (45 ms where this was found): another process
    that is asked meanwhile has one core less.

    Args:
        pid: The process.
    """
    process = psutil.Process(pid)
    deadline = time.monotonic() + MAX_SPIN_S
    before = None
    while time.monotonic() < deadline:
        with suppress(psutil.Error, OSError):
            now = cpu_seconds(process)
            if now == before:
                return
            before = now
        time.sleep(TICKS_S)


def fastest_clock_mhz() -> float | None:
    """Return the clock of the fastest core in MHz, or ``None`` where the system does not tell."""
    try:
        clocks = [core.current for core in psutil.cpu_freq(percpu=True) or []]
    except (OSError, NotImplementedError, RuntimeError, AttributeError):  # psutil lacks it on some systems
        return None
    return max(clocks, default=0.0) or None


def hottest_celsius() -> float | None:
    """Return the temperature of the hottest sensor in °C, or ``None`` where the system shows none."""
    try:
        sensors = psutil.sensors_temperatures()  # only on Linux and FreeBSD
    except (OSError, NotImplementedError, RuntimeError, AttributeError):
        return None
    return max((one.current for group in sensors.values() for one in group), default=0.0) or None


def conditions_of(seen: Sequence[Seen]) -> Conditions:
    """Return what was seen in each process as part of a record."""
    return Conditions(
        others_share=[one.others for one in seen],
        steal_share=[one.steal for one in seen],
        clock_mhz=[one.clocks for one in seen],
    )


def why_unsteady(conditions: Conditions, hardware: dict[str, Any], *, suspected: bool) -> list[str]:
    """Return a warning that names the causes when samples are unsteady or others had a share of the CPU, else none.

    Args:
        conditions: What was seen while samples were taken.
        hardware: The machine's fingerprint.
        suspected: Whether the samples themselves are unsteady.
    """
    if not suspected and max(_largest(conditions.others_share) or 0.0, conditions.stolen) <= NOTABLE_SHARE:
        return []
    return [f"why it may be unsteady: {'; '.join(causes(conditions, hardware))}"]


def causes(conditions: Conditions, hardware: dict[str, Any]) -> list[str]:
    """Return phrases that name what made a measurement unsteady, the likeliest first; at least one.

    Args:
        conditions: What was seen while samples were taken.
        hardware: The machine's fingerprint.
    """
    others, steal = _largest(conditions.others_share), _largest(conditions.steal_share)
    clocks = [clock for pair in conditions.clock_mhz if pair for clock in pair]
    found = []
    if others is not None and others > NOTABLE_SHARE:
        found.append(f"other processes used {100 * others:.0f} % of the CPU meanwhile")
    if steal is not None and steal > NOTABLE_SHARE:
        found.append(f"the hypervisor gave {100 * steal:.0f} % of the CPU to other machines meanwhile")
    if clocks and max(clocks) > (1 + NOTABLE_CLOCK) * min(clocks):
        found.append(f"the clock varied between {min(clocks):,.0f} and {max(clocks):,.0f} MHz")
    if hardware.get("virtualised"):
        found.append("the machine is virtual: how its neighbours use caches and memory is not visible from inside")
    if not found:
        blind = [
            name for name, value in (("other processes", others), ("the clock", clocks or None)) if value is None
        ]
        unseen = f" ({' and '.join(blind)} cannot be read on this system)" if blind else ""
        found.append(f"no visible cause{unseen}")
    return found


def _largest(shares: Sequence[float | None]) -> float | None:
    return max((share for share in shares if share is not None), default=None)
