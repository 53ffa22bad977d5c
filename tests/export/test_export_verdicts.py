"""Which forms are accepted: fp32 must be the model, int8 may lose a little, what was not asked for is not kept."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from slmbench.common.errors import SlmbenchError
from slmbench.edge import Classifier
from slmbench.export import builder, export
from slmbench.records import BundleRecord, read_record


@pytest.fixture
def always_negative(monkeypatch):
    """A quantization that ruins the model: every review becomes negative."""

    def ruin(model, target, preset, keep_float=(), *, fused=False):
        graph = onnx.load(model)
        (bias,) = [weights for weights in graph.graph.initializer if weights.name == "classifier.bias"]
        bias.CopyFrom(numpy_helper.from_array(np.array([100, 0], dtype=np.float32), bias.name))
        onnx.save(graph, target)

    monkeypatch.setattr(builder, "quantize_dynamic", ruin)


def turn_round(run, rows):
    logits = np.load(run / "test_logits.npy")
    logits[:rows] = logits[:rows, ::-1]
    np.save(run / "test_logits.npy", logits)


def test_fp32_that_changes_a_single_label_is_refused(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    turn_round(run, 1)
    with pytest.raises(SlmbenchError, match=r"fp32 of tiny-bert-full is refused: 1 of 41 labels differ from"):
        export(run, output=tmp_path / "exported" / "bundle")
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]


def test_a_refused_bundle_leaves_the_one_before(tiny_run, tmp_path, tiny_bundle):
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    before = (tmp_path / "bundle" / "bundle.json").read_text()
    run = shutil.copytree(tiny_run, tmp_path / "run")
    turn_round(run, 1)
    with pytest.raises(SlmbenchError, match="is refused"):
        export(run, output=tmp_path / "bundle")
    assert (tmp_path / "bundle" / "bundle.json").read_text() == before


def test_a_floor_that_changes_a_label_is_refused(floor_run, tmp_path):
    run = shutil.copytree(floor_run, tmp_path / "run")
    turn_round(run, 2)
    with pytest.raises(SlmbenchError, match="2 of 41 labels differ from scikit-learn"):
        export(run, output=tmp_path / "bundle")
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]


def test_int8_that_loses_too_much_is_kept_but_not_accepted(tiny_run, tmp_path, always_negative):
    record = export(tiny_run, output=tmp_path / "bundle")
    fp32, int8 = record.forms["fp32"], record.forms["int8"]
    assert (fp32.accepted, int8.accepted) == (True, False)
    assert "more than the 1.0 points allowed (--max-accuracy-drop)" in int8.reason
    assert f"{int8.parity.label_flips} of 41 labels changed" in int8.reason
    truth = np.array(int8.predictions.truth)
    assert int8.accuracy == (truth == 0).mean()
    loss = int8.difference_to_fp32
    assert loss.difference == pytest.approx(int8.accuracy - fp32.accuracy)
    assert loss.p_value < 0.01
    assert loss.ci95[0] < loss.difference < loss.ci95[1] < 0
    assert Classifier(tmp_path / "bundle").form == "fp32"
    assert Classifier(tmp_path / "bundle", form="int8").predict("good")[0].label == "negative"
    assert "| int8 (refused) |" in (tmp_path / "bundle" / "README.md").read_text()


def test_a_larger_loss_is_accepted_when_it_is_allowed(tiny_run, tmp_path, always_negative):
    assert export(tiny_run, output=tmp_path / "bundle", max_accuracy_drop=1).forms["int8"].accepted


def test_a_bundle_with_no_accepted_form_says_so(tiny_run, tmp_path, always_negative):
    export(tiny_run, forms=["int8"], output=tmp_path / "bundle")
    with pytest.raises(SlmbenchError, match="has no accepted form"):
        Classifier(tmp_path / "bundle")


def test_only_what_is_asked_for_is_kept(tiny_run, tmp_path, tiny_bundle):
    record = export(tiny_run, forms=["int8", "int8"], max_accuracy_drop=0.2, output=tmp_path / "int8")
    assert list(record.forms) == ["int8"]
    assert [file.name for file in (tmp_path / "int8" / "onnx").iterdir()] == ["model_quantized.onnx"]
    whole = read_record(BundleRecord, tiny_bundle / "bundle.json")
    assert record.forms["int8"].predictions == whole.forms["int8"].predictions
    assert record.forms["int8"].difference_to_fp32 == whole.forms["int8"].difference_to_fp32
    assert record.shared_bytes == whole.shared_bytes

    record = export(tiny_run, forms=["fp32"], output=tmp_path / "fp32")
    assert list(record.forms) == ["fp32"]
    assert [file.name for file in (tmp_path / "fp32" / "onnx").iterdir()] == ["model.onnx"]


def test_an_architecture_that_cannot_be_exported_is_one_sentence(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    configuration = json.loads((run / "model" / "config.json").read_text())
    (run / "model" / "config.json").write_text(json.dumps({**configuration, "model_type": "fnet"}))
    with pytest.raises(SlmbenchError, match="Optimum cannot export architecture 'fnet' to ONNX: "):
        export(run, output=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
