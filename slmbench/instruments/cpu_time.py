"""How long the processors have worked, as the system counts it."""

from __future__ import annotations

from typing import Any


def busy_seconds(system: Any) -> float:
    """Return the CPU time of all processes and of the kernel for them, idle and stolen time left out (s).

    Args:
        system: From ``psutil.cpu_times``; systems differ in which parts they tell.
    """
    return sum(getattr(system, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
