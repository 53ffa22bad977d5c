"""A GPU through NVML, and its memory at its highest; NVML and torch's allocator are made up."""

import os
import sys

import pytest

from slmbench.instruments.gpu import GpuError, GpuMemory, GpuPeak, open_gpu

GIB = 2**30


@pytest.fixture
def allocator(monkeypatch):
    """Torch's counts on a machine without CUDA."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 2 * GIB)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 3 * GIB)


def watched(*args, **more):
    """A GPU's memory, watched from now on."""
    memory = GpuMemory(*args, **more)
    memory.begin()
    return memory


@pytest.mark.parametrize(
    ("visible", "asked"), [(None, 0), ("2,0", 2), ("GPU-5a-b,1", "GPU-5a-b"), (" 1 ", 1)], ids=str
)
def test_the_gpu_that_cuda_sees_first_is_opened(nvml, monkeypatch, visible, asked):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    gpu = open_gpu()

    assert nvml.asked_for[-1] == asked
    assert (gpu.name, gpu.energy_joules(), gpu.power_watts()) == ("NVIDIA Test GPU", 5000.0, 60.0)


@pytest.mark.parametrize("visible", ["", "-1", "MIG-1234", "9"])
def test_a_gpu_that_is_hidden_or_a_slice_is_not_opened(nvml, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    with pytest.raises(GpuError):
        open_gpu()


def test_of_unlike_gpus_the_one_that_cuda_means_is_opened_or_none(nvml, monkeypatch):
    # In the order of their slots, which is NVML's; CUDA's own order has the fastest first, the second of these.
    nvml.names = ["NVIDIA T400", "NVIDIA A100"]
    with pytest.raises(GpuError, match="set CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        open_gpu()

    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert open_gpu().name == "NVIDIA T400"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert open_gpu().name == "NVIDIA A100"


def test_gpus_of_one_kind_may_be_counted_in_any_order(nvml):
    nvml.names = ["NVIDIA A100"] * 2
    assert open_gpu().name == "NVIDIA A100"


def test_without_nvml_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)

    with pytest.raises(GpuError, match=r"pip install 'slmbench\[gpu\]'"):
        open_gpu()


def test_memory_of_this_process_where_it_is_listed(nvml, allocator):
    nvml.used = 10 * GIB
    nvml.processes = [(os.getpid() + 1, 9 * GIB), (os.getpid(), 1 * GIB)]
    memory = watched(open_gpu())
    nvml.processes[1] = (os.getpid(), 4 * GIB)
    high = memory.peak()
    nvml.processes[1] = (os.getpid(), 1 * GIB)
    later = memory.peak()

    assert high == later == GpuPeak(4 * GIB, "NVML, this process", 2 * GIB, 3 * GIB)


@pytest.mark.parametrize("processes", [[], [(os.getpid(), None)]], ids=["not listed", "without sizes"])
def test_memory_of_the_device_where_processes_are_not_told(nvml, allocator, processes):
    nvml.used, nvml.processes = 10 * GIB, processes
    memory = watched(open_gpu())
    nvml.used = 13 * GIB
    high = memory.peak()
    nvml.used = 11 * GIB

    assert memory.peak() == high == GpuPeak(3 * GIB, "NVML, growth of the whole device", 2 * GIB, 3 * GIB)


def test_memory_where_torch_is_not_used_does_not_import_it(nvml, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    nvml.used, nvml.processes = 1 * GIB, []
    memory = watched(open_gpu())
    nvml.used = 3 * GIB

    assert memory.peak() == GpuPeak(2 * GIB, "NVML, growth of the whole device", None, None)


def test_a_context_that_torch_makes_is_memory_too(nvml, allocator, monkeypatch):
    nvml.used = 1 * GIB

    def first_touch():
        nvml.used = 2 * GIB

    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", first_touch)
    memory = watched(open_gpu())
    assert memory.peak().nvml_bytes == 1 * GIB


def test_memory_without_nvml_is_the_allocators_alone(nvml, allocator):
    memory = watched(None, "no NVML here")
    assert memory.peak() == GpuPeak(None, "no NVML here", 2 * GIB, 3 * GIB)
    nvml.used = None
    memory = watched(open_gpu())
    assert memory.peak() == GpuPeak(None, "NVML: Not Supported", 2 * GIB, 3 * GIB)
