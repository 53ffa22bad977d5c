"""What is no answer never becomes one: NaN, infinity, too few or too many logits, labels that are no names."""

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sealing import reseal
from typer.testing import CliRunner

from slmbench.cascade import CascadeOptions, cascade
from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError
from slmbench.edge import Classifier
from slmbench.evaluation import evaluate
from slmbench.evaluation.verify import verify
from slmbench.export import export
from slmbench.export.builder import FormBuilder
from slmbench.records import BundleRecord, artefacts

GOOD = "a superb film"


def without_answer(path, tokens, value="nan"):
    """Let an ONNX classifier answer inputs of so many tokens with NaN or infinity."""
    model = onnx.load(path)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["finite" if name == "logits" else name for name in node.output]
    length = helper.make_tensor("its_length", TensorProto.INT64, [1], [1])
    wrong = helper.make_tensor("wrong_length", TensorProto.INT64, [1], [tokens])
    bad = helper.make_tensor("bad", TensorProto.FLOAT, [], [float(value)])
    graph.initializer.extend([length, wrong, bad])
    graph.node.extend(
        [
            helper.make_node("Shape", ["input_ids"], ["shape"]),
            helper.make_node("Gather", ["shape", "its_length"], ["found_length"]),
            helper.make_node("Equal", ["found_length", "wrong_length"], ["is_wrong"]),
            helper.make_node("Where", ["is_wrong", "bad", "finite"], ["logits"]),
        ]
    )
    onnx.save(model, path)


def cut_to(path, width, *, declared):
    """Let an ONNX classifier give the first ``width`` logits of two, repeated where there are more."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = ["two" if name == "logits" else name for name in node.output]
    columns = helper.make_tensor("columns", TensorProto.INT64, [width], [column % 2 for column in range(width)])
    model.graph.initializer.append(columns)
    model.graph.node.append(helper.make_node("Gather", ["two", "columns"], ["logits"], axis=1))
    (output,) = model.graph.output
    last = output.type.tensor_type.shape.dim[1]
    last.Clear()
    if declared:
        last.dim_value = width
    else:
        last.dim_param = "labels"
    onnx.save(model, path)


@pytest.fixture
def own(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "own")


@pytest.fixture(params=["nan", "inf"])
def silent(request, own):
    """A bundle whose fp32 has no answer to texts of five tokens, [CLS] and [SEP] included."""
    without_answer(own / "onnx/model.onnx", 5, request.param)
    reseal(own)
    return own


def of_five_tokens(bundle):
    """A text of five tokens and one of another length."""
    classifier = Classifier(bundle, form="fp32")
    texts = ["film", "film film", "film film film", "film film film film"]
    lengths = classifier.token_lengths(texts)
    return texts[lengths.index(5)], texts[0]


@pytest.mark.parametrize("batch_tokens", [None, 5])
def test_an_answer_of_nan_is_an_error_that_names_the_text(silent, batch_tokens):
    bad, good = of_five_tokens(silent)
    classifier = Classifier(silent, form="fp32", batch_tokens=batch_tokens)

    assert len(classifier.predict([good, good])) == 2
    for ask in (classifier.predict, classifier.predict_proba, classifier.predict_logits):
        with pytest.raises(SlmbenchError, match=rf"text 3 \({bad!r}\)"):
            ask([good, good, bad])
    stream = classifier.stream([good] * 600 + [bad])
    with pytest.raises(SlmbenchError, match="text 601"):
        list(stream)


def test_predict_ends_with_the_row_and_writes_no_file(silent, tmp_path):
    bad, good = of_five_tokens(silent)
    table = tmp_path / "in.csv"
    table.write_text(f"text\n{good}\n{bad}\n", encoding="utf-8")
    output = tmp_path / "out.jsonl"
    result = CliRunner().invoke(
        app, ["predict", str(silent), "--form", "fp32", "--input", str(table), "--output", str(output)]
    )

    assert result.exit_code == 1
    assert "text 2" in result.output + str(result.stderr)
    assert "NaN," not in result.stdout
    assert not output.exists()


def test_evaluate_and_verify_say_what_has_no_answer(silent, tmp_path):
    bad, good = of_five_tokens(silent)
    table = tmp_path / "test.csv"
    table.write_text(
        "text,label\n" + "".join(f"{text} ,{label}\n" for text, label in [(good, "negative"), (bad, "positive")]),
        encoding="utf-8",
    )
    with pytest.raises(SlmbenchError, match=f"{bad} "):
        evaluate(silent, corpus=str(table), form="fp32", output=tmp_path / "evaluation")

    record = artefacts.read(silent, BundleRecord)
    tokens = len(record.manifest.texts[0].ids)
    without_answer(silent / "onnx/model_quantized.onnx", tokens)
    reseal(silent)
    found = verify(silent, forms=["int8"])
    assert not found.forms["int8"].agrees
    for text in record.manifest.texts:
        assert (f" {text.name}" in found.forms["int8"].sentence) >= (len(text.ids) == tokens)
    assert "NaN," not in found.to_json()


def test_a_cascade_does_not_believe_a_member_without_an_answer(silent, floor_bundle, tmp_path):
    bad, good = of_five_tokens(silent)
    options = CascadeOptions(threshold=1.0, large_form="int8")
    both = tmp_path / "both"
    cascade(floor_bundle, silent, options, output=both)
    without_answer(both / "large/onnx/model_quantized.onnx", 5)
    reseal(both)
    classifier = Classifier(both)

    assert classifier.predict(good)
    with pytest.raises(SlmbenchError, match="text 1"):
        classifier.predict(bad)
    of_a_review = artefacts.read(silent, BundleRecord).lengths.tokens[0]
    without_answer(silent / "onnx/model_quantized.onnx", of_a_review)
    reseal(silent)
    with pytest.raises(SlmbenchError, match="NaN or infinity"):
        cascade(floor_bundle, silent, options, output=tmp_path / "no")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_form_without_answers_is_refused_with_their_number(tiny_run, tmp_path, monkeypatch, value):
    from slmbench.records import RunRecord

    original = FormBuilder.to_half
    run = artefacts.read(tiny_run, RunRecord)
    base = export(tiny_run, forms=["fp32"], output=tmp_path / "base")
    tokens = max(base.lengths.tokens, key=base.lengths.tokens.count)
    many = base.lengths.tokens.count(tokens)

    def overflowing(self, target):
        made = original(self, target)
        without_answer(target, tokens, value)
        return made

    monkeypatch.setattr(FormBuilder, "to_half", overflowing)
    folder = tmp_path / "bundle"
    export(tiny_run, forms=["fp32", "fp16"], output=folder, max_accuracy_drop=1)

    record = artefacts.read(folder, BundleRecord)
    refused = record.forms["fp16"]
    assert not refused.accepted
    assert f"{many} of {len(run.predictions.row_ids)}" in refused.reason
    assert refused.parity.not_finite == len(refused.predictions.abstained) == many
    assert refused.accuracy < record.forms["fp32"].accuracy
    assert np.isfinite(refused.predictions.probabilities).all()
    for word in ("NaN", "Infinity"):
        assert word not in (folder / "bundle.json").read_text(encoding="utf-8").replace(refused.reason, "")
    assert Classifier(folder).form == "fp32"
    assert {"fp32", "fp16"} == set(verify(folder).forms)


def test_a_form_without_an_answer_to_a_fixed_text_is_refused(tiny_run, tmp_path, monkeypatch):
    original = FormBuilder.to_half
    base = export(tiny_run, forms=["fp32"], output=tmp_path / "base")
    empty = next(len(text.ids) for text in base.manifest.texts if text.text == "")
    assert empty not in base.lengths.tokens

    def overflowing(self, target):
        made = original(self, target)
        without_answer(target, empty)
        return made

    monkeypatch.setattr(FormBuilder, "to_half", overflowing)
    folder = tmp_path / "bundle"
    export(tiny_run, forms=["fp32", "fp16"], output=folder)

    refused = artefacts.read(folder, BundleRecord).forms["fp16"]
    assert not refused.accepted
    assert "fixed texts" in refused.reason
    assert not verify(folder, forms=["fp16"]).agrees


def test_fp32_without_answers_is_no_bundle(tiny_run, tmp_path, monkeypatch):
    original = FormBuilder.export

    def overflowing(self, target):
        made = original(self, target)
        without_answer(target, 32)
        return made

    monkeypatch.setattr(FormBuilder, "export", overflowing)
    with pytest.raises(SlmbenchError, match="fp32"):
        export(tiny_run, forms=["fp32"], output=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
@pytest.mark.parametrize("width", [1, 3])
def test_other_numbers_of_logits_than_labels(own, tiny_run, tmp_path, monkeypatch, width, declared):
    cut_to(own / "onnx/model.onnx", width, declared=declared)
    reseal(own)

    with pytest.raises(SlmbenchError, match=rf"{width} logits? for 2 labels"):
        Classifier(own, form="fp32").predict(GOOD)
    assert not verify(own, forms=["fp32"]).agrees
    with pytest.raises(SlmbenchError, match=rf"{width} logits? for 2 labels"):
        Classifier(own, form="fp32", batch_tokens=64).predict(GOOD)

    original = FormBuilder.export

    def cutting(self, target):
        made = original(self, target)
        cut_to(target, width, declared=declared)
        return made

    monkeypatch.setattr(FormBuilder, "export", cutting)
    with pytest.raises(SlmbenchError, match=rf"{width} logits? for 2 labels"):
        export(tiny_run, forms=["fp32"], output=tmp_path / "bundle")


def test_a_model_that_gives_no_logits(own):
    model = onnx.load(own / "onnx/model.onnx")
    for node in model.graph.node:
        node.output[:] = ["scores" if name == "logits" else name for name in node.output]
    model.graph.output[0].name = "scores"
    onnx.save(model, own / "onnx/model.onnx")
    reseal(own)

    with pytest.raises(SlmbenchError, match="no 'logits'"):
        Classifier(own, form="fp32")


LABELS = [[0, 1], [None, "positive"], ["same", "same"], ["alone"], [], ["negative", ""], "ab", {"a": 0, "b": 1}, None]


@pytest.mark.parametrize("labels", LABELS, ids=repr)
@pytest.mark.parametrize("kind", ["tiny_bundle", "floor_bundle", "cascade"])
def test_labels_that_are_no_names(kind, labels, request, tiny_bundle, floor_bundle, tmp_path):
    if kind == "cascade":
        options = CascadeOptions(threshold=0.9, large_form="fp32")
        cascade(floor_bundle, tiny_bundle, options, output=tmp_path / "own")
    else:
        shutil.copytree(request.getfixturevalue(kind), tmp_path / "own")
    reseal(tmp_path / "own", lambda document: document.update(labels=labels))

    with pytest.raises(SlmbenchError):
        Classifier(tmp_path / "own")


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["only", "two", "of", "four"]])
def test_a_tfidf_bundle_with_other_numbers_of_labels(floor_bundle, tmp_path, labels):
    own = shutil.copytree(floor_bundle, tmp_path / "own")
    reseal(own, lambda document: document.update(labels=labels))

    with pytest.raises(SlmbenchError, match=f"2 logits for {len(labels)} labels"):
        Classifier(own)


def test_a_cascade_whose_member_has_other_numbers_of_logits(tiny_bundle, floor_bundle, tmp_path):
    both = tmp_path / "both"
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=both)
    cut_to(both / "large/onnx/model.onnx", 1, declared=True)
    reseal(both)

    with pytest.raises(SlmbenchError, match="1 logit for 2 labels"):
        Classifier(both)
