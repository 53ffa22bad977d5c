"""How fast this machine multiplies matrices, measured once and kept in the user's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.errors import UsageError
from slmbench.common.places import home
from slmbench.common.progress import SILENT
from slmbench.instruments.hardware import hardware_fingerprint, software_versions, usable_cores
from slmbench.instruments.roofline.child import ask_child
from slmbench.records.base import content_key, finished_record, write_record
from slmbench.records.roofline import CeilingRecord, GemmTiming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.common.progress import Progress

_MODULE = "slmbench.instruments.roofline.gemm"
#: Counted up when the way of measuring changes, so that what is in the cache is measured anew.
_METHOD = 1
_LIBRARIES = ("numpy", "onnxruntime", "torch")
_LIMIT_S = 600.0
#: Where matrix products can be timed.
DEVICES = ("cpu", "cuda")


def machine_ceiling(
    device: str = "cpu",
    threads: int | None = None,
    *,
    sizes: Sequence[int] | None = None,
    again: bool = False,
    progress: Progress = SILENT,
) -> CeilingRecord:
    """Return the machine's GEMM ceiling per precision: from the cache, or measured now in some ten seconds.

    The cache tells apart machines, numbers of threads, library versions and sizes.

    Args:
        device: ``cpu`` (numpy, onnxruntime, torch where installed) or ``cuda`` (torch).
        threads: Threads of each library; the usable cores when not given.
        sizes: Rows and columns of the square matrices, ascending; those usual on the device when not given.
        again: Measure although it is in the cache, and replace that.
        progress: Where to say that it is being measured.

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
        hardware=hardware,
        software=software,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_record(record, path)
    return record
