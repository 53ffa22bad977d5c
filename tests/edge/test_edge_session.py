"""How a model is loaded: large weights stay in its file, slow fusions are left out; answers are onnxruntime's."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from learnable import reviews
from onnx import TensorProto, helper, numpy_helper

from slmbench.edge import runtime
from slmbench.edge.runtime import OnnxBackend, mapped_model

TEXTS = ["", *(text for text, _ in reviews(["negative", "positive"], 20, seed=5))]


@pytest.mark.parametrize("form", ["model", "model_quantized"])
def test_a_model_with_mapped_weights_answers_bit_for_bit_as_the_whole_file(tiny_bundle, form, monkeypatch):
    file = tiny_bundle / f"onnx/{form}.onnx"
    answers = []
    for size in (0, 1 << 40):  # all weights, none
        monkeypatch.setattr(runtime, "MAPPED_BYTES", size)
        backend = OnnxBackend(tiny_bundle, file, 1)
        answers.append(np.concatenate([backend.logits([item]) for item in backend.encode(TEXTS)]))
    np.testing.assert_array_equal(*answers)


def test_what_is_left_of_a_model_is_small_and_has_the_same_weights(tiny_bundle, monkeypatch):
    monkeypatch.setattr(runtime, "MAPPED_BYTES", 256)
    file = tiny_bundle / "onnx/model.onnx"
    content = mapped_model(file)
    assert len(content) < file.stat().st_size / 2
    model = onnx.load_model_from_string(content)
    onnx.load_external_data_for_model(model, str(file.parent))
    whole = onnx.load(file)
    assert [node.name for node in model.graph.node] == [node.name for node in whole.graph.node]
    for found, wanted in zip(model.graph.initializer, whole.graph.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(found), numpy_helper.to_array(wanted))


def tensors(*made):
    graph = helper.make_graph([], "g", [], [], initializer=made)
    return helper.make_model(graph)


def test_only_weights_that_are_there_once_as_bytes_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "MAPPED_BYTES", 8)
    numbers = np.arange(100, dtype=np.float32)
    plain, said, listed, elsewhere = (numpy_helper.from_array(numbers, name) for name in "abcd")
    said.data_location = TensorProto.DEFAULT
    listed.ClearField("raw_data")
    listed.float_data.extend(numbers.tolist())
    onnx.external_data_helper.set_external_data(elsewhere, "other_data")
    file = tmp_path / "model.onnx"
    file.write_bytes(tensors(plain, said, listed, elsewhere).SerializeToString())
    found = {one.name: one for one in onnx.load_model_from_string(mapped_model(file)).graph.initializer}
    where = {name: {entry.key: entry.value for entry in one.external_data} for name, one in found.items()}
    for name in "ab":
        place, length = int(where[name]["offset"]), int(where[name]["length"])
        assert file.read_bytes()[place : place + length] == numbers.tobytes()
        assert (where[name]["location"], found[name].raw_data) == ("model.onnx", b"")
        assert found[name].data_location == TensorProto.EXTERNAL
    assert not where["c"] and len(found["c"].float_data) == 100
    assert where["d"] == {"location": "other_data"} and found["d"].raw_data == numbers.tobytes()


def test_slow_fusions_are_left_out_and_the_answers_stay(tiny_bundle, tmp_path, monkeypatch):
    file = tiny_bundle / "onnx/model.onnx"
    operators, answers = [], []
    for left_out in ((), runtime.SLOW_FUSIONS):
        monkeypatch.setattr(runtime, "SLOW_FUSIONS", left_out)
        optimised = Path(tmp_path / f"{len(left_out)}.onnx")
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(optimised)
        options.add_session_config_entry(*runtime.without_slow_fusions())
        onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        operators.append({node.op_type for node in onnx.load(optimised).graph.node})
        backend = OnnxBackend(tiny_bundle, file, 1)
        answers.append(np.concatenate([backend.logits([item]) for item in backend.encode(TEXTS)]))
    slow = {"SkipLayerNormalization", "BiasGelu"}
    assert operators[0] & slow and not operators[1] & slow
    np.testing.assert_allclose(*answers, atol=1e-5)
