"""What makes training on a CPU fast: bf16 where the processor has it, and memory that is not given back.

Measured by ``benchmarks/finetune_speed.py``.
"""

from __future__ import annotations

import ctypes
import sys

from slmbench.hardware import cpu_features

#: Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware, where autocast to bf16 is faster than fp32."""
    return any(name in cpu_features() for name in ("avx512_bf16", "amx_bf16"))


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory for the next step instead of returning it to the kernel.

    Every step frees and allocates the same activations; by default the large ones are mapped afresh each time,
    and zeroing their pages costs about a fifth of a step. Elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_TOP_PAD, 1 << 26)
