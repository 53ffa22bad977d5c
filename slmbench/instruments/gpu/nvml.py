"""One NVIDIA GPU through NVML, the library that comes with its driver: energy, power and memory.

``pynvml`` (the package nvidia-ml-py) is imported when a GPU is opened, and only then.
"""

from __future__ import annotations

import importlib
import os
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
