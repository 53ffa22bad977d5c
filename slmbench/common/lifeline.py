"""A child process that ends with its parent, however the parent ends; imported by measured processes.

Run as a program it runs a module as ``python -m`` does: ``python -m slmbench.common.lifeline MODULE ARGUMENTS``.
"""

from __future__ import annotations

import sys

#: ``PR_SET_PDEATHSIG`` of prctl(2), and the signal.
_SET_DEATH_SIGNAL, _SIGKILL = 1, 9


def end_with_parent() -> None:
    """Ask the system to kill this process when its parent ends; only Linux can."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    # A failure leaves what other systems have: a child that reads stdin ends at the end of it.
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, _SIGKILL)


if __name__ == "__main__":
    import runpy

    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
