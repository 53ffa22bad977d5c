"""Memory of a GPU at its highest: as the driver sees it, and as torch's allocator counts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.instruments.gpu.nvml import GpuError

if TYPE_CHECKING:
    from slmbench.instruments.gpu.nvml import Gpu


@dataclass(frozen=True)
class GpuPeak:
    """Peaks of one region, in bytes; ``None`` where unknown.

    Attributes:
        nvml_bytes: What the driver saw: CUDA context, libraries and fragments included. Looked at now and then,
            so a low bound.
        nvml_source: ``NVML, this process``, or ``NVML, growth of the whole device`` where processes are not listed;
            else why it is not known.
        allocated_bytes: Tensors (``torch.cuda.max_memory_allocated``), exact; ``None`` where torch is not used.
        reserved_bytes: What the allocator held for them (``torch.cuda.max_memory_reserved``), exact; likewise.
    """

    nvml_bytes: int | None
    nvml_source: str
    allocated_bytes: int | None
    reserved_bytes: int | None


class GpuMemory:
    """A GPU's memory from :meth:`begin` on, looked at when asked: nothing runs beside what is timed.

    What allocators have reserved, torch's and onnxruntime's, they keep, so that little is missed in between.

    Args:
        gpu: The GPU torch calls ``cuda:0``; ``None`` leaves NVML out.
        reason: Why there is none.
        allocator: Ask torch's allocator, too; without it torch is not imported.
    """

    def __init__(self, gpu: Gpu | None, reason: str = "NVML is not there", *, allocator: bool = True) -> None:
        self._gpu = gpu
        self._reason = reason
        self._allocator = allocator
        self._before = self._own = self._grown = 0
        self._listed = False

    def begin(self) -> None:
        """Take the first look, before the model is loaded: growth of the whole device is counted from here."""
        if self._gpu:
            try:
                # Before torch may make a CUDA context: that is memory, too.
                self._before = self._gpu.used_bytes()
            except GpuError as error:
                self._gpu, self._reason = None, str(error)
        if self._allocator:
            import torch

            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> GpuPeak:
        """Look once more and return the peaks so far."""
        self._look()
        nvml_bytes, source = None, self._reason
        if self._gpu:
            nvml_bytes = self._own if self._listed else self._grown
            source = "NVML, this process" if self._listed else "NVML, growth of the whole device"
        if not self._allocator:
            return GpuPeak(nvml_bytes, source, None, None)
        import torch

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
