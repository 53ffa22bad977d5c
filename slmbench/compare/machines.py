"""The machine behind a measurement, in words, and what distinguishes measurements of one bundle and form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slmbench.common.formatting import limit

if TYPE_CHECKING:
    from slmbench.records import ProfileRecord
    from slmbench.records.sweep import SweepRecord

#: Backends that a row need not name: without a name it ran in onnxruntime (or numpy, where a bundle has no ONNX
#: file), and forms in torch have names of their own. Other backends, and CUDA, are always named.
UNNAMED_BACKENDS = ("onnxruntime", "numpy", "torch")


def machine_of(record: ProfileRecord | SweepRecord) -> str:
    """Return the identity of the machine: the fingerprint of its hardware."""
    return str(record.hardware["fingerprint"])


def machine_name(record: ProfileRecord | SweepRecord) -> str:
    """Return what people call the machine."""
    return str(record.hardware.get("machine") or record.hardware.get("cpu_model") or machine_of(record))


def machine_facts(record: ProfileRecord) -> dict[str, str]:
    """Return what is known about the machine of a profile, in words.

    Args:
        record: Any profile of the machine.

    Returns:
        ``name`` first; what the platform could not tell is left out.
    """
    hardware: dict[str, Any] = record.hardware
    facts: dict[str, Any] = {
        "name": machine_name(record),
        "CPU": hardware.get("cpu_model"),
        "processor": _processor(hardware),
        "caches": ", ".join(f"{name} {_kib(size)}" for name, size in (hardware.get("caches") or {}).items()),
        "instruction sets": ", ".join(hardware.get("isa") or []),
        "cores": hardware.get("cores_available"),
        "memory": f"{limit(round(memory / 2**30, 1))} GiB" if (memory := hardware.get("memory_bytes")) else None,
        "governor": hardware.get("governor"),
        "virtual machine": _virtual(hardware),
        "system": " ".join(str(hardware[key]) for key in ("os", "machine_arch") if hardware.get(key)),
        "GPU": ", ".join(hardware.get("gpu") or []),
        "speed while measuring": "; ".join(session.sentence for session in record.measured_in),
    }
    return {name: str(value) for name, value in facts.items() if value}


def _processor(hardware: dict[str, Any]) -> str | None:
    parts = [hardware.get(f"cpu_{name}") for name in ("vendor", "family", "model_number", "stepping")]
    names = ("", "family ", "model ", "stepping ")
    return " ".join(f"{name}{part}" for name, part in zip(names, parts, strict=True) if part) or None


def _kib(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def _virtual(hardware: dict[str, Any]) -> str | None:
    if hardware.get("virtualised") is None:
        return None
    return f"yes ({hardware.get('hypervisor') or 'hypervisor not named'})" if hardware["virtualised"] else "no"


def variants(aspects: Sequence[Sequence[str]]) -> list[str | None]:
    """Name measurements of one bundle and form by what differs between them.

    Args:
        aspects: The same aspects of each measurement, in words; the first is the backend.

    Returns:
        The words of each measurement that are not the same for all, and always CUDA and a backend that is not one of
        :data:`UNNAMED_BACKENDS`; ``None`` where there are none.
    """
    differing = [len(set(column)) > 1 for column in zip(*aspects, strict=True)]
    named = []
    for backend, *others in aspects:
        words = [backend] if differing[0] or backend not in UNNAMED_BACKENDS else []
        words += [word for word, differs in zip(others, differing[1:], strict=True) if differs or word == "cuda"]
        named.append(", ".join(words) or None)
    return named
