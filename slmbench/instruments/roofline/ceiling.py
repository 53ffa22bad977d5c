"""How fast this machine multiplies matrices, measured once and kept in the user's cache; how much a form reached."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

from slmbench.common.errors import UsageError
from slmbench.common.files import content_key
from slmbench.common.places import home
from slmbench.common.progress import SILENT, Progress
from slmbench.instruments.children import ask_child
from slmbench.instruments.cpu_time import busy_seconds
from slmbench.instruments.devices import DEVICES
from slmbench.instruments.hardware import hardware_fingerprint, software_versions, usable_cores
from slmbench.records.base import finished_record, write_record
from slmbench.records.roofline import FLOPS_PER_MAC, CeilingRecord, GemmTiming, Operations, Precision, Roofline

_MODULE = "slmbench.instruments.roofline.gemm"
#: Counted up when the way of measuring changes, so that what is in the cache is measured again.
_METHOD = 1
_LIBRARIES = ("numpy", "onnxruntime", "torch")
_LIMIT_S = 600.0
#: onnxruntime's CPU provider has no products in half precision: it computes them in single.
_COMPUTED_IN: dict[str, dict[Precision, Precision]] = {"cpu": {"fp16": "fp32"}}


def machine_ceiling(
    device: str = "cpu",
    threads: int | None = None,
    *,
    sizes: Sequence[int] | None = None,
    again: bool = False,
    progress: Progress = SILENT,
) -> CeilingRecord:
    """Return the machine's GEMM ceiling per precision: from the cache, or measured now in some ten seconds.

    The cache distinguishes machines, numbers of threads, library versions and sizes.

    Args:
        device: ``cpu`` (numpy, onnxruntime, torch where installed) or ``cuda`` (torch).
        threads: Threads of each library; the usable cores when not given.
        sizes: Rows and columns of the square matrices, ascending; the device's default sizes when not given.
        again: Measure even if it is in the cache, and replace it.
        progress: Where to report that it is being measured.

    Raises:
        UsageError: There is no such device.
        SlmbenchError: The measuring process failed.
    """
    if device not in DEVICES:
        raise UsageError(f"the ceiling of '{device}' cannot be measured: choose {' or '.join(DEVICES)}")
    threads = threads or usable_cores()
    hardware, software = hardware_fingerprint(), software_versions()
    libraries = {name: software[name] for name in _LIBRARIES if name in software}
    asked = {"device": device, "threads": threads, "sizes": list(sizes) if sizes else None}
    key = content_key(method=_METHOD, machine=hardware["fingerprint"], libraries=libraries, **asked)
    path = home() / "ceilings" / f"{key[:16]}.json"
    known = None if again else finished_record(CeilingRecord, path, key)
    if known is not None:
        return known
    before = _cpu_now()
    with progress.task("measuring this machine's matrix products"):
        answer = ask_child(
            _MODULE, asked, what="the measurement of matrix products", threads=threads, limit_s=_LIMIT_S
        )
    record = CeilingRecord(
        name=f"ceiling-{device}-{threads}",
        key=key,
        device=device,
        threads=threads,
        timings=[GemmTiming.model_validate(timing) for timing in answer],
        others_share=_others_share(before, _cpu_now()),
        hardware=hardware,
        software=software,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_record(record, path)
    return record


def _cpu_now() -> tuple[float, float, float]:
    """Return the wall time, the CPU time of all processes, and that of this one and its ended children (s)."""
    system, own = psutil.cpu_times(), psutil.Process().cpu_times()
    return time.monotonic(), busy_seconds(system), own.user + own.system + own.children_user + own.children_system


def _others_share(before: tuple[float, float, float], after: tuple[float, float, float]) -> float | None:
    """Return the share of the CPU that other processes used between two readings; ``None`` where it is not known."""
    seconds, busy, own = (now - then for now, then in zip(after, before, strict=True))
    if psutil.WINDOWS or seconds <= 0:  # which does not count ended children
        return None
    return min(1.0, max(0.0, (busy - own) / seconds / (psutil.cpu_count() or 1)))


def roofline_of(operations: Operations, tokens: float, seconds: float, ceiling: CeilingRecord) -> Roofline:
    """Return how much of a machine's ceiling a form reached under onnxruntime.

    Args:
        operations: Of the form, as counted at export.
        tokens: Median length of the timed reviews, in tokens.
        seconds: Median time per review (s).
        ceiling: Of the device and the number of threads with which it was timed.
    """
    computed_in = _COMPUTED_IN.get(ceiling.device, {})
    flops: dict[Precision, float] = {}
    for stored, polynomial in operations.by_precision.items():
        precision = computed_in.get(stored, stored)
        flops[precision] = flops.get(precision, 0.0) + FLOPS_PER_MAC * polynomial.at(tokens)
    best = ceiling.ceilings
    return Roofline(
        tokens=tokens,
        seconds=seconds,
        macs=operations.full.at(tokens),
        macs_linear=operations.linear.at(tokens),
        flops=flops,
        ceilings={precision: best[precision] for precision in flops if precision in best},
        ceiling_others_share=ceiling.others_share,
    )


def measured_roofline(
    operations: Operations, tokens: float, seconds: float, device: str, threads: int, progress: Progress = SILENT
) -> Roofline:
    """Return how much of this machine's ceiling a form reached; the ceiling is measured when it is first needed.

    No form is faster than its products alone: a ceiling that is exceeded was measured while the machine did other
    work, so it is measured again.

    Args:
        operations: See :func:`roofline_of`.
        tokens: See :func:`roofline_of`.
        seconds: See :func:`roofline_of`.
        device: Device on which it was timed.
        threads: Threads with which it was timed.
        progress: Where to report that the ceiling is being measured.

    Raises:
        SlmbenchError: The ceiling cannot be measured.
    """
    found = roofline_of(operations, tokens, seconds, machine_ceiling(device, threads, progress=progress))
    if found.achieved is not None and found.achieved > 1:
        ceiling = machine_ceiling(device, threads, again=True, progress=progress)
        found = roofline_of(operations, tokens, seconds, ceiling)
    return found
