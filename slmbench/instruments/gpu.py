"""One NVIDIA GPU: energy, power and memory through NVML, its driver's library, and peak memory as torch counts it.

``pynvml`` (the package nvidia-ml-py) is imported when a GPU is opened, and only then.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import Any


class GpuError(Exception):
    """NVML cannot be read; the message is a reason for a record."""


class Gpu:
    """A GPU; see :func:`open_gpu`.

    Args:
        nvml: The module ``pynvml``, initialised.
        handle: What it calls the GPU.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle
        name = self._ask("nvmlDeviceGetName")
        self.name: str = name.decode() if isinstance(name, bytes) else name

    def energy_joules(self) -> float:
        """Return the energy in joules since the driver was loaded (Volta and later).

        Raises:
            GpuError: The board has no such counter.
        """
        return self._ask("nvmlDeviceGetTotalEnergyConsumption") / 1e3

    def power_watts(self) -> float:
        """Return the present power of the board in watts.

        Raises:
            GpuError: The board has no power reading.
        """
        return self._ask("nvmlDeviceGetPowerUsage") / 1e3

    def used_bytes(self) -> int:
        """Return the memory in use by all processes and the driver.

        Raises:
            GpuError: It cannot be read.
        """
        return int(self._ask("nvmlDeviceGetMemoryInfo").used)

    def process_bytes(self) -> int | None:
        """Return the memory in use by this process, its CUDA context included; ``None`` where it is not listed.

        In a container the processes are listed by numbers of the host, and on Windows without sizes.

        Raises:
            GpuError: Processes are not listed at all.
        """
        for process in self._ask("nvmlDeviceGetComputeRunningProcesses"):
            if process.pid == os.getpid() and process.usedGpuMemory is not None:
                return int(process.usedGpuMemory)
        return None

    def _ask(self, function: str) -> Any:
        try:
            return getattr(self._nvml, function)(self._handle)
        except self._nvml.NVMLError as error:
            raise GpuError(f"NVML: {error}") from None


def open_gpu() -> Gpu:
    """Open the GPU that CUDA calls device 0: the first of ``CUDA_VISIBLE_DEVICES``, else the first there is.

    Raises:
        GpuError: There is none, NVML is not installed, or which GPU it is cannot be determined.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        raise GpuError("NVML is read through nvidia-ml-py: pip install 'slmbench[gpu]'") from None
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    try:
        nvml.nvmlInit()
        if first.isdecimal():
            _check_order(nvml)
            return Gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(int(first)))
        if first.startswith("GPU-"):
            return Gpu(nvml, nvml.nvmlDeviceGetHandleByUUID(first))
    except nvml.NVMLError as error:
        raise GpuError(f"NVML: {error}") from None
    raise GpuError(f"CUDA_VISIBLE_DEVICES={first} names no whole GPU")


def _check_order(nvml: Any) -> None:
    """Check that CUDA and NVML number GPUs alike: NVML by slot, CUDA by default with the fastest first.

    ``CUDA_DEVICE_ORDER`` changes CUDA's order (CUDA C++ Programming Guide, environment variables).

    Raises:
        GpuError: There are different GPUs, and the order is CUDA's own.
    """
    if os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    if len({nvml.nvmlDeviceGetName(handle) for handle in handles}) > 1:
        raise GpuError(
            "this machine has different GPUs, and NVML does not tell which of them is CUDA's first: set"
            " CUDA_DEVICE_ORDER=PCI_BUS_ID, so that both number them alike"
        )


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

    def __init__(self, gpu: Gpu | None, reason: str = "NVML is not available") -> None:
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
