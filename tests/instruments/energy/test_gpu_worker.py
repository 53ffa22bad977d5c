"""The measured process on a GPU: what it tells of memory; NVML and the model are made up."""

import sys

import pytest

from slmbench.profiling import worker

GIB = 2**30


@pytest.fixture
def loaded(monkeypatch, nvml):
    """Start a worker whose model takes 2 GiB of the GPU; returns it."""

    class Heavy:
        labels = ("negative", "positive")

        def predict(self, text):
            return [type("Prediction", (), {"label": "positive"})]

    def start(device):
        def load(_):
            nvml.used += 2 * GIB
            return Heavy()

        monkeypatch.setattr(worker, "_load", load)
        return worker.Worker({"form": "fp32", "threads": 1, "texts": ["a good film"], "device": device})

    return start


def test_a_bundle_on_cuda_is_watched_through_nvml_alone(loaded, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)

    made = loaded("cuda")

    assert made.memory("samples")["gpu"] == {
        "nvml_bytes": 2 * GIB,
        "nvml_source": "NVML, growth of the whole device",
        "allocated_bytes": None,
        "reserved_bytes": None,
    }
    assert made.started["meter_ms"] > 0


def test_a_run_on_cuda_is_watched_through_torchs_allocator_too(loaded, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda: 1 * GIB)
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: 3 * GIB)

    gpu = loaded("cuda").memory("samples")["gpu"]

    assert (gpu["nvml_bytes"], gpu["allocated_bytes"], gpu["reserved_bytes"]) == (2 * GIB, 1 * GIB, 3 * GIB)


def test_without_nvml_the_reason_is_told(loaded, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)

    gpu = loaded("cuda").memory("samples")["gpu"]

    assert gpu["nvml_bytes"] is None
    assert "pip install 'slmbench[gpu]'" in gpu["nvml_source"]


def test_on_the_cpu_nothing_is_opened(loaded, nvml):
    assert loaded("cpu").memory("samples")["gpu"] is None
    assert nvml.asked_for == []
