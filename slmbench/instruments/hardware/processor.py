"""The processor: its name and the instruction sets that matter for inference."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from slmbench.edge.runtime import cpu_information, cpu_instructions, is_exact

_CACHE_KINDS = {"Data": "d", "Instruction": "i"}
#: What Linux says of the caches of the first processor.
CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

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
    if any(name in features for name in ("avx512_vnni", "avx_vnni")):
        return "avx512_vnni"
    return "avx512" if "avx512f" in features else "avx2"


def runs_natively(isa: str) -> bool | None:
    """Return whether this CPU computes forms of a quantization preset exactly; see :mod:`slmbench.edge.runtime`.

    Args:
        isa: ``avx512_vnni``, ``avx512``, ``avx2`` or ``arm64``.

    Returns:
        ``None`` where the CPU's features are unknown.
    """
    return is_exact(isa, cpu_features())


def feature_title(name: str) -> str:
    """Return the name people use for an extension."""
    return _FEATURES[name]


@cache
def cpu_model() -> str:
    """Return the processor's name as the system gives it."""
    if sys.platform.startswith("linux"):
        for key in ("model name", "Model", "Hardware"):
            if value := cpu_information().get(key):
                return value
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()
    return platform.processor() or platform.machine()


@cache
def cpu_identity() -> dict[str, str | None]:
    """Return ``cpu_vendor``, ``cpu_family``, ``cpu_model_number`` and ``cpu_stepping``; ``None`` where not told.

    A cloud's name of a processor, such as "AMD EPYC", may stand for several generations, which these tell apart. On
    Arm they are the implementer, architecture, part, and variant with revision, as in the register MIDR.
    """
    told: list[str | None] = [None] * 4
    if sys.platform.startswith("linux"):
        entries = cpu_information()
        if "CPU part" in entries:
            stepping = f"r{entries.get('CPU variant', '?')}p{entries.get('CPU revision', '?')}"
            told = [entries.get("CPU implementer"), entries.get("CPU architecture"), entries["CPU part"], stepping]
        else:
            told = [entries.get(key) for key in ("vendor_id", "cpu family", "model", "stepping")]
    elif sys.platform == "darwin":
        family = _sysctl("machdep.cpu.family") or _sysctl("hw.cpufamily")
        told = [_sysctl("machdep.cpu.vendor"), family, _sysctl("machdep.cpu.model"), _sysctl("machdep.cpu.stepping")]
    elif found := re.search(r"Family (\d+) Model (\d+) Stepping (\d+),? ?(\w*)", platform.processor()):
        told = [found[4], found[1], found[2], found[3]]
    names = ("cpu_vendor", "cpu_family", "cpu_model_number", "cpu_stepping")
    return {name: value or None for name, value in zip(names, told, strict=True)}


@cache
def cache_sizes() -> dict[str, int] | None:
    """Return the sizes (bytes) of the first processor's caches, by ``L1d``, ``L1i``, ``L2``, ``L3``; or ``None``."""
    found: dict[str, int] = {}
    if sys.platform == "darwin":
        for name, key in (("L1d", "l1d"), ("L1i", "l1i"), ("L2", "l2"), ("L3", "l3")):
            if size := _sysctl(f"hw.{key}cachesize"):
                found[name] = int(size)
    for folder in sorted(CPU_CACHES.glob("index*")) if sys.platform.startswith("linux") else ():
        try:
            level, kind, size = (
                (folder / file).read_text(encoding="ascii").strip() for file in ("level", "type", "size")
            )
            unit = {"K": 2**10, "M": 2**20}[size[-1]]
            found[f"L{level}{_CACHE_KINDS.get(kind, '')}"] = int(size[:-1]) * unit
        except (OSError, ValueError, KeyError, IndexError):
            continue
    return found or None


def under_hypervisor() -> bool | None:
    """Return whether the system runs in a virtual machine; ``None`` where it does not tell."""
    if sys.platform == "darwin":
        present = _sysctl("kern.hv_vmm_present")
        return None if present is None else present == "1"
    flags = cpu_information().get("flags") if sys.platform.startswith("linux") else None
    return None if flags is None else "hypervisor" in flags.split()


def _flags() -> list[str]:
    if sys.platform.startswith("linux"):
        return list(cpu_instructions())
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


def _sysctl(key: str) -> str | None:
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, check=True, timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
