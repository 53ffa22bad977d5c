"""The kernel's high-water mark of this process's memory: exact where polling would miss the peak."""

from __future__ import annotations

import sys
from pathlib import Path


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
