"""The processor: its name, the instruction sets that matter for inference, the cores this process may use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import psutil

#: Instruction-set extensions that change how fast (or how exact) quantized and bf16 arithmetic is, as named by
#: the Linux kernel, with the names people use.
_FEATURES = {
    "avx2": "AVX2",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX BF16",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "i8mm": "NEON i8mm",
    "bf16": "NEON BF16",
    "sve": "SVE",
}
#: Extensions of which one is enough to compute a quantization preset exactly.
_PRESETS = {
    "avx512_vnni": ("avx512_vnni", "avx_vnni"),
    "avx512": ("avx512f",),
    "avx2": ("avx2",),
    "arm64": ("asimd",),
}
#: Files with a container's CPU quota and its period, both in one file (cgroup v2,
#: https://docs.kernel.org/admin-guide/cgroup-v2.html) or in two (v1).
QUOTAS: tuple[tuple[Path, Path | None], ...] = (
    (Path("/sys/fs/cgroup/cpu.max"), None),
    (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")),
)


@cache
def cpu_features() -> tuple[str, ...]:
    """Return the relevant extensions of this CPU by kernel name; empty where they are unknown."""
    flags = set(_flags())
    return tuple(name for name in _FEATURES if name in flags)


def quantization_preset() -> str:
    """Return the quantization preset for this CPU, by Optimum's names.

    ``avx512_vnni`` also where only AVX-VNNI is there: what matters is that int8 products are summed in 32 bits, so
    that full-range weights cannot saturate (onnxruntime issues 5849 and 6004 show what happens otherwise).
    """
    if platform.machine().lower() in ("arm64", "aarch64"):
        return "arm64"
    features = cpu_features()
    if any(name in features for name in _PRESETS["avx512_vnni"]):
        return "avx512_vnni"
    return "avx512" if "avx512f" in features else "avx2"


def runs_natively(isa: str) -> bool | None:
    """Return whether this CPU computes a quantization preset exactly (see :func:`quantization_preset`).

    Args:
        isa: ``avx512_vnni``, ``avx512``, ``avx2`` or ``arm64``.

    Returns:
        ``None`` where the CPU's features are unknown.
    """
    features = cpu_features()
    return any(name in features for name in _PRESETS[isa]) if features else None


def feature_title(name: str) -> str:
    """Return the name people use for an extension."""
    return _FEATURES[name]


@cache
def cpu_model() -> str:
    """Return the processor's name as the system gives it."""
    if sys.platform.startswith("linux"):
        for key in ("model name", "Model", "Hardware"):
            if value := _cpuinfo().get(key):
                return value
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores this process may use, limited by affinity and a container's quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        allowed = psutil.cpu_count(logical=True) or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed, _quota_of_container() or allowed))


def _quota_of_container() -> int | None:
    """Return the number of whole cores in a container's quota; more threads would wait for the next period."""
    for quota, period in QUOTAS:
        try:
            words = [word for path in (quota, period) if path for word in path.read_text(encoding="ascii").split()]
            return max(1, int(words[0]) // int(words[1])) if int(words[0]) > 0 else None
        except (OSError, ValueError, IndexError):  # not there, or "max"
            continue
    return None


def _flags() -> list[str]:
    if sys.platform.startswith("linux"):
        information = _cpuinfo()
        return (information.get("flags") or information.get("Features") or "").split()
    if sys.platform == "darwin":
        names = {
            "hw.optional.arm.FEAT_DotProd": "asimddp",
            "hw.optional.arm.FEAT_I8MM": "i8mm",
            "hw.optional.arm.FEAT_BF16": "bf16",
            "hw.optional.AdvSIMD": "asimd",
            "hw.optional.avx2_0": "avx2",
            "hw.optional.avx512f": "avx512f",
        }
        return [flag for key, flag in names.items() if _sysctl(key) == "1"]
    return []


@cache
def _cpuinfo() -> dict[str, str]:
    """Return the first processor's entries of /proc/cpuinfo."""
    entries: dict[str, str] = {}
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return entries
    for line in text.splitlines():
        key, _, value = line.partition(":")
        entries.setdefault(key.strip(), value.strip())
    return entries


def _sysctl(key: str) -> str | None:
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, check=True, timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
