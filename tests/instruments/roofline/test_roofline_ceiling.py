"""The machine's GEMM ceiling: measured in a process of its own, kept, and what of it a cell reached."""

import os
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import home
from slmbench.instruments.children import ask_child
from slmbench.instruments.roofline import ceiling, machine_ceiling, roofline_of
from slmbench.instruments.roofline.gemm import product_model
from slmbench.records import read_record
from slmbench.records.roofline import CeilingRecord, GemmTiming, Operations, Polynomial, achieved

SMALL = (16, 32)


@pytest.fixture(scope="module")
def measured_once(tmp_path_factory):
    """A cache with a ceiling that was measured in a process of its own, and the ceiling."""
    folder = tmp_path_factory.mktemp("measured") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMBENCH_HOME", str(folder))
        return folder, machine_ceiling(threads=1, sizes=SMALL)


@pytest.fixture
def measured(measured_once, tmp_path, monkeypatch):
    """The ceiling, in a cache that may be changed."""
    monkeypatch.setenv("SLMBENCH_HOME", str(shutil.copytree(measured_once[0], tmp_path / "home")))
    return measured_once[1]


def test_every_library_precision_and_size_is_timed(measured):
    ways = {(timing.library.split()[0], timing.precision) for timing in measured.timings}
    assert {("numpy", "fp32"), ("onnxruntime", "fp32"), ("onnxruntime", "int8")} <= ways
    assert [timing.size for timing in measured.timings] == list(SMALL) * len(ways)
    for timing in measured.timings:
        assert timing.calls >= 3
        assert timing.flops_per_second == 2 * timing.size**3 / timing.best_s > 0
    for precision, best in measured.ceilings.items():
        others = [timing.flops_per_second for timing in measured.timings if timing.precision == precision]
        assert best.flops_per_second == max(others)
    assert (measured.device, measured.threads) == ("cpu", 1)


def test_it_is_measured_once_a_machine_and_number_of_threads(measured, monkeypatch):
    (kept,) = (home() / "ceilings").iterdir()
    assert read_record(CeilingRecord, kept).timings == measured.timings
    asked = []

    def answer(module, request, **_):
        asked.append(request)
        return [timing.model_dump() for timing in measured.timings]

    monkeypatch.setattr(ceiling, "ask_child", answer)
    assert machine_ceiling(threads=1, sizes=SMALL).created == measured.created
    assert asked == []

    machine_ceiling(threads=2, sizes=SMALL)
    machine_ceiling(threads=1, sizes=SMALL, again=True)
    kept.write_text("{", encoding="utf-8")
    machine_ceiling(threads=1, sizes=SMALL)
    assert [request["threads"] for request in asked] == [2, 1, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="ended children are not counted")
@pytest.mark.parametrize("others", [0.0, 0.4])
def test_what_others_used_of_the_cpu_meanwhile_is_kept_and_said_of_a_cell(others, tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(ceiling, "ask_child", lambda *_, **__: [])
    monkeypatch.setattr(ceiling.psutil, "cpu_count", lambda: 4)
    # Ten seconds on four cores, of which the measurement uses two.
    readings = iter([(0.0, 100.0, 5.0), (10.0, 120.0 + 40 * others, 25.0)])
    monkeypatch.setattr(ceiling, "_cpu_now", lambda: next(readings))

    found = machine_ceiling(threads=2)
    assert found.others_share == pytest.approx(others)
    work = Polynomial(const=1000)
    note = roofline_of(Operations(linear=work, full=work, by_precision={"fp32": work}), 10, 1e-3, found).ceiling_note
    assert ("40 %" in note) if others else note is None


def test_there_is_no_ceiling_of_other_devices():
    with pytest.raises(UsageError, match="the ceiling of 'tpu' cannot be measured: choose cpu or cuda"):
        machine_ceiling("tpu")


@pytest.mark.parametrize(
    ("operator", "left", "weights", "result"),
    [("MatMul", "float32", "float32", "float32"), ("MatMulInteger", "uint8", "int8", "int32")],
)
def test_the_model_of_one_product_is_onnx_and_multiplies(operator, left, weights, result):
    generator = np.random.default_rng(0)
    # Dimensions above 127 take more than one byte.
    a = generator.integers(0, 9, (200, 200)).astype(left)
    b = generator.integers(-9, 9, (200, 200)).astype(weights)

    model = product_model(operator, b, left=left, result=result)

    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {"left": a})
    assert (product == a.astype(int) @ b.astype(int)).all()


def test_achieved_with_one_precision_is_operations_a_second_over_the_ceiling():
    assert achieved({"fp32": 30e9}, 0.5, {"fp32": 100e9}) == pytest.approx(0.6)


def test_achieved_with_two_weighs_each_by_its_own_ceiling():
    # At their ceilings 0.1 s and 0.2 s, of 0.6 s.
    assert achieved({"int8": 40e9, "fp32": 20e9}, 0.6, {"int8": 400e9, "fp32": 100e9}) == pytest.approx(0.5)


@pytest.mark.parametrize(("operations", "seconds"), [({"bf16": 1e9}, 1.0), ({}, 1.0), ({"fp32": 1e9}, 0.0)])
def test_nothing_is_achieved_where_something_is_unknown(operations, seconds):
    assert achieved(operations, seconds, {"fp32": 1e9}) is None


def record_of(device, **seconds):
    """A ceiling record in which a product of size 1,000 took so many seconds in each precision."""
    timings = [
        GemmTiming(library="x", version="1", precision=precision, size=1000, best_s=best, calls=3)
        for precision, best in seconds.items()
    ]
    return CeilingRecord(name="c", device=device, threads=1, timings=timings, hardware={}, software={})


OPERATIONS = Operations(
    linear=Polynomial(per_token=1_000_000),
    full=Polynomial(per_token=1_000_000, per_token2=1_000),
    by_precision={"fp16": Polynomial(per_token=1_000_000), "fp32": Polynomial(per_token2=1_000)},
)


def test_a_cell_is_held_against_what_its_device_computes_in():
    # The CPU computes half precision in single: 2 × (100 M + 10 M) MACs at 2 TFLOP/s take 0.11 ms.
    on_cpu = roofline_of(OPERATIONS, 100, 1e-3, record_of("cpu", fp32=1e-3, fp16=1e-4))
    assert on_cpu.macs == 110e6
    assert on_cpu.macs_linear == 100e6
    assert on_cpu.flops == {"fp32": pytest.approx(220e6)}
    assert on_cpu.flops_per_second == pytest.approx(220e9)
    assert on_cpu.achieved == pytest.approx(0.11)

    # A GPU does not: 0.01 ms in half precision and 0.01 ms in single.
    on_gpu = roofline_of(OPERATIONS, 100, 1e-3, record_of("cuda", fp32=1e-3, fp16=1e-4))
    assert on_gpu.flops == {"fp16": pytest.approx(200e6), "fp32": pytest.approx(20e6)}
    assert on_gpu.achieved == pytest.approx(0.02)

    assert roofline_of(OPERATIONS, 100, 1e-3, record_of("cuda", fp32=1e-3)).achieved is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise ValueError('no such thing')", "the measurement failed: ValueError: no such thing"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"killed by signal 9 \(out of memory\?\)"),
        ("import time; time.sleep(60)", "did not answer within 1 s and was stopped"),
    ],
)
def test_a_child_that_fails_is_explained(body, says, tmp_path, monkeypatch):
    (tmp_path / "failing_child.py").write_text(body, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(SlmbenchError, match=says):
        ask_child("failing_child", {}, what="the measurement", threads=1, limit_s=1 if "sleep" in body else 60)


def test_a_child_has_the_threads_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    code = """
import os
from slmbench.instruments.pipe import RequestPipe

pipe = RequestPipe()
for request in pipe:
    print("what a library prints is no answer")
    pipe.answer([request, os.environ["OPENBLAS_NUM_THREADS"]])
"""
    (tmp_path / "telling_child.py").write_text(code, encoding="utf-8")

    assert ask_child("telling_child", {"a": 1}, what="it", threads=3, limit_s=60) == [{"a": 1}, "3"]
