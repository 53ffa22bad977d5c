"""The instruction set of int8 is chosen for this CPU, and recorded."""

import pytest

from slmbench.export import export
from slmbench.instruments.hardware import processor as processor
from slmbench.instruments.hardware import quantization_preset


@pytest.fixture
def cpu(monkeypatch):
    def pretend(machine, *features):
        monkeypatch.setattr("platform.machine", lambda: machine)
        monkeypatch.setattr(processor, "cpu_features", lambda: features)

    return pretend


@pytest.mark.parametrize(
    ("machine", "features", "preset"),
    [
        ("x86_64", ("avx2",), "avx2"),
        ("x86_64", (), "avx2"),
        ("AMD64", ("avx2", "avx512f"), "avx512"),
        ("x86_64", ("avx2", "avx512f", "avx512_vnni"), "avx512_vnni"),
        ("x86_64", ("avx2", "avx_vnni"), "avx512_vnni"),
        ("x86_64", ("avx2", "avx512f", "avx512_vnni", "amx_int8"), "avx512_vnni"),
        ("aarch64", ("asimd", "asimddp"), "arm64"),
        ("arm64", (), "arm64"),
        ("ARM64", ("asimd",), "arm64"),
    ],
)
def test_the_preset_for_a_cpu(cpu, machine, features, preset):
    cpu(machine, *features)
    assert quantization_preset() == preset


@pytest.mark.parametrize("features", [("avx2",), ("avx2", "avx512f", "avx512_vnni")])
def test_the_preset_is_in_the_record_and_the_weights_fit_it(cpu, features, tiny_run, tmp_path):
    import onnx
    from onnx import numpy_helper

    cpu("x86_64", *features)
    record = export(tiny_run, forms=["int8"], max_accuracy_drop=1, output=tmp_path / "bundle")
    assert record.forms["int8"].isa == quantization_preset()
    graph = onnx.load(tmp_path / "bundle" / "onnx" / "model_quantized.onnx").graph
    quantized = [each for each in graph.initializer if each.name.endswith("_quantized")]
    # Tables are looked up, not multiplied.
    weights = [numpy_helper.to_array(each) for each in quantized if "embeddings" not in each.name]
    steps = max(int(array.max()) - int(array.min()) for array in weights)
    # Without VNNI, sums of two products saturate at 16 bits unless the weights have 7.
    assert (steps <= 128) == (features == ("avx2",))


def test_another_cpu_makes_the_bundle_again(cpu, tiny_run, tmp_path):
    cpu("x86_64", "avx2")
    first = export(tiny_run, forms=["int8"], max_accuracy_drop=1, output=tmp_path / "bundle")
    assert export(tiny_run, forms=["int8"], max_accuracy_drop=1, output=tmp_path / "bundle") == first
    cpu("x86_64", "avx2", "avx512_vnni")
    assert export(tiny_run, forms=["int8"], max_accuracy_drop=1, output=tmp_path / "bundle").key != first.key
