"""The kernel's high-water mark of this process's memory: exact where polling would miss the peak."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Where Linux lets a process reset its own high-water mark to its present size, and what has to be written there.
CLEAR_REFS, CLEAR_HIGH_WATER_MARK = Path("/proc/self/clear_refs"), "5"


def high_water_mark() -> tuple[int | None, str | None]:
    """Return the largest resident set this process ever had, in bytes, and which counter gave it.

    VmHWM on Linux, ``ru_maxrss`` on macOS; ``None`` where the system does not tell.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024, "VmHWM"
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None, None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024), "ru_maxrss"


class PeakTracker:
    """Peak memory by phase: the kernel's mark is read at the end of a phase and reset where that is allowed.

    Args:
        read: Another source of the mark, for tests.
    """

    def __init__(self, read: Callable[[], tuple[int | None, str | None]] = high_water_mark) -> None:
        self._read = read
        self._phases: dict[str, int] = {}
        self._apart = True
        self._source: str | None = None

    def end(self, phase: str) -> int | None:
        """End a phase; returns the highest mark so far in bytes, or ``None`` where the system does not tell."""
        peak, self._source = self._read()
        if peak is None:
            return None
        self._phases[phase] = max(peak, self._phases.get(phase, 0))
        highest = max(self._phases.values())
        try:
            CLEAR_REFS.write_text(CLEAR_HIGH_WATER_MARK, encoding="ascii")
        except OSError:  # another system, or a sandbox
            self._apart = False
        return highest

    def report(self) -> dict[str, Any]:
        """Return ``peak_bytes``, ``source``, the peaks of ``phases``, and ``apart``: whether each has its own."""
        return {
            "peak_bytes": max(self._phases.values(), default=None),
            "source": self._source,
            "phases": self._phases,
            "apart": self._apart,
        }
