"""Peak memory of a GPU: as the driver sees it, and as torch's allocator counts it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from slmbench.instruments.gpu.nvml import Gpu, GpuError


@dataclass(frozen=True)
class GpuPeak:
    """Peaks of one region, in bytes; ``None`` where unknown.

    Attributes:
        nvml_bytes: As the driver counts it, CUDA context, libraries and fragments included. It is read at intervals,
            so it is a lower bound.
        nvml_source: ``NVML, this process``, or ``NVML, growth of the whole device`` where processes are not listed;
            else why it is unknown.
        allocated_bytes: Tensors (``torch.cuda.max_memory_allocated``), exact; ``None`` where torch is not loaded.
        reserved_bytes: Memory that the allocator held for them (``torch.cuda.max_memory_reserved``), exact; likewise.
    """

    nvml_bytes: int | None
    nvml_source: str
    allocated_bytes: int | None
    reserved_bytes: int | None


class GpuMemory:
    """A GPU's memory from :meth:`begin` on, read when asked: nothing runs beside what is timed.

    The allocators of torch and onnxruntime keep what they have reserved, so that little is missed in between.

    Args:
        gpu: The GPU torch calls ``cuda:0``; ``None`` leaves NVML out.
        reason: Why there is none.
    """

    def __init__(self, gpu: Gpu | None, reason: str = "NVML is not there") -> None:
        self._gpu = gpu
        self._reason = reason
        self._before = self._own = self._grown = 0
        self._listed = False

    def begin(self) -> None:
        """Read the memory in use before the model is loaded: growth of the whole device is counted from here."""
        if self._gpu:
            try:
                # Before torch may make a CUDA context, which counts as memory.
                self._before = self._gpu.used_bytes()
            except GpuError as error:
                self._gpu, self._reason = None, str(error)
        if torch := _torch_on_gpu():
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> GpuPeak:
        """Read the memory in use once more and return the peaks so far; torch's where it was loaded meanwhile."""
        self._look()
        nvml_bytes, source = None, self._reason
        if self._gpu:
            nvml_bytes = self._own if self._listed else self._grown
            source = "NVML, this process" if self._listed else "NVML, growth of the whole device"
        torch = _torch_on_gpu()
        if torch is None:
            return GpuPeak(nvml_bytes, source, None, None)
        return GpuPeak(nvml_bytes, source, torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved())

    def _look(self) -> None:
        if self._gpu is None:
            return
        try:
            self._grown = max(self._grown, self._gpu.used_bytes() - self._before)
            own = self._gpu.process_bytes()
        except GpuError as error:
            self._gpu, self._reason = None, str(error)
            return
        if own is not None:
            self._listed = True
            self._own = max(self._own, own)


def _torch_on_gpu() -> Any:
    """Return torch where this process has loaded it and uses CUDA with it; it is never imported here."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None
