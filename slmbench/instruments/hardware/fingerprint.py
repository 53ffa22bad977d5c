"""The fingerprint that decides whether two measurements come from like hardware, and the library versions."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from slmbench.common.files import content_key
from slmbench.edge.runtime import usable_cores
from slmbench.instruments.hardware.processor import (
    cache_sizes,
    cpu_features,
    cpu_identity,
    cpu_model,
    feature_title,
    under_hypervisor,
)

#: Libraries whose version can change a result.
_LIBRARIES = (
    "slmbench",
    "numpy",
    "onnxruntime",
    "onnxruntime-extensions",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-ep-openvino",
    "tokenizers",
    "torch",
    "transformers",
    "optimum-onnx",
    "onnx",
    "peft",
    "scikit-learn",
)


@cache
def hardware_fingerprint() -> dict[str, Any]:
    """Describe this machine.

    Returns:
        ``cpu_model``, ``cpu_vendor``, ``cpu_family``, ``cpu_model_number``, ``cpu_stepping``, ``caches`` (bytes),
        ``isa`` (kernel names), ``physical_cores``, ``cores_available``, ``memory_bytes``, ``governor``,
        ``virtualised``, ``hypervisor``, ``os``, ``machine_arch``, ``gpu``; ``machine`` is a short name for people and
        ``fingerprint`` the hash of what must be equal for results to be pooled. What the platform does not tell is
        ``None``, and ``unknown`` says why. The host's name is left out on purpose: records are shared.
    """
    isa = list(cpu_features())
    virtualised, hypervisor = _virtualisation()
    facts: dict[str, Any] = {
        "cpu_model": cpu_model(),
        **cpu_identity(),
        "caches": cache_sizes(),
        "isa": isa,
        "physical_cores": psutil.cpu_count(logical=False),
        "cores_available": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "governor": _governor(),
        "virtualised": virtualised,
        "hypervisor": hypervisor,
        "os": platform.system(),
        "machine_arch": platform.machine(),
        "gpu": ask_driver("name"),
    }
    notable = [feature_title(name) for name in isa if name in ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm")]
    ability = notable[-1] if notable else next((feature_title(name) for name in reversed(isa)), "")
    cores = facts["cores_available"]
    extras = [f"{cores} core{'s' if cores != 1 else ''}", *([ability] if ability else [])]
    facts["machine"] = f"{facts['cpu_model']} ({', '.join(extras)})"
    facts["unknown"] = {name: _why_unknown(name) for name, value in facts.items() if value is None}
    if virtualised is False:
        del facts["unknown"]["hypervisor"]  # there is none
    alike = (
        "cpu_model",
        *cpu_identity(),
        "caches",
        "isa",
        "cores_available",
        "virtualised",
        "os",
        "machine_arch",
        "gpu",
    )
    # Memory is compared in whole GiB: the kernel's own share of it changes between versions.
    facts["fingerprint"] = content_key(
        gib=round(facts["memory_bytes"] / 2**30), **{name: facts[name] for name in alike}
    )[:16]
    return facts


def software_versions(libraries: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of Python, the system and every library that can change a result.

    Args:
        libraries: Distributions besides those that slmbench itself uses.
    """
    # A kernel's release carries the vendor's build name after the version proper.
    release = platform.release().split("-")[0]
    versions = {"python": platform.python_version(), "system": f"{platform.system()} {release}"}
    for name in dict.fromkeys((*_LIBRARIES, *libraries)):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _governor() -> str | None:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _virtualisation() -> tuple[bool | None, str | None]:
    virtual = under_hypervisor()
    try:
        vendor = Path("/sys/class/dmi/id/sys_vendor").read_text(encoding="utf-8").strip() or None
    except OSError:
        vendor = None
    return virtual, vendor if virtual else None


def _why_unknown(name: str) -> str:
    """Return why a fact is not known: what was read, or that it is not read on this system."""
    read = {
        "caches": "/sys/devices/system/cpu/cpu0/cache",
        "governor": "/sys/devices/system/cpu/cpu0/cpufreq",
        "hypervisor": "/sys/class/dmi/id",
    }
    if platform.system() == "Linux":
        return f"{read.get(name, '/proc/cpuinfo')} does not report it"
    return f"{platform.system()} does not report it"


def ask_driver(quantity: str, gpu: str | None = None) -> list[str]:
    """Ask ``nvidia-smi`` for a quantity.

    Args:
        quantity: A name that ``nvidia-smi --help-query-gpu`` lists.
        gpu: Index or UUID of one GPU; all when not given.

    Returns:
        One line per GPU, without units; none where the tool is missing, fails or hangs.
    """
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, f"--query-gpu={quantity}", "--format=csv,noheader,nounits", *(() if gpu is None else ("-i", gpu))]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]
