"""A bundle from its run: files, record, model card, and when it is made again."""

import json
import shutil

import numpy as np
import pytest
from learnable import write_reviews

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import sha256_of
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import FORMS, export
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.records import BundleRecord, RunRecord, read_record


@pytest.fixture
def record(tiny_bundle):
    return read_record(BundleRecord, tiny_bundle / "bundle.json")


@pytest.fixture
def own_run(floor_run, tmp_path):
    """A copy of a run, to be damaged."""
    return shutil.copytree(floor_run, tmp_path / "run")


@pytest.fixture
def file_run(tmp_path):
    """A run on a file of its own, to be changed."""
    reviews = write_reviews(tmp_path / "reviews.csv", ["negative", "positive"], 100)
    finetune("tfidf", load_corpus(str(reviews)), TrainingOptions(method="tfidf"), output=tmp_path / "run")
    return tmp_path / "run", reviews


def test_the_bundle_is_a_hugging_face_folder(tiny_bundle):
    files = {str(file.relative_to(tiny_bundle)) for file in tiny_bundle.rglob("*") if file.is_file()}
    assert files == {
        "README.md",
        "ancestors.npz",
        "bundle.json",
        "config.json",
        "onnx/model.onnx",
        "onnx/model_quantized.onnx",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    configuration = json.loads((tiny_bundle / "config.json").read_text())
    assert configuration["model_type"] == "bert"
    assert configuration["id2label"] == {"0": "negative", "1": "positive"}
    assert [folder.name for folder in tiny_bundle.parent.iterdir()] == ["tiny-bert-full"]


def test_the_record_keeps_the_contract(tiny_bundle):
    document = json.loads((tiny_bundle / "bundle.json").read_text())
    assert document["schema"] == "slmbench.bundle/1"
    assert {"name", "path", "forms"} <= set(document)
    for form in document["forms"].values():
        assert set(form) >= {"file", "bytes", "accuracy", "parity", "accepted", "reason"}
        assert set(form["parity"]) >= {"reviews", "label_flips", "max_abs_logit_diff"}


def test_the_record_says_where_the_bundle_is_from(record, tiny_run, tiny_bundle):
    run = read_record(RunRecord, tiny_run / "run.json")
    assert (record.name, record.path) == ("tiny-bert-full", str(tiny_bundle))
    assert (record.run, record.run_key, record.model, record.method) == (run.name, run.key, run.model, run.method)
    assert (record.architecture, record.runtime, record.max_length) == ("bert", "onnx", 32)
    assert record.corpus == run.corpus
    assert (record.total_parameters, record.labels) == (run.total_parameters, ["negative", "positive"])
    assert {"onnxruntime", "optimum-onnx"} <= set(record.software)


def test_every_form_is_checked_on_all_test_reviews(record, tiny_bundle, tiny_run):
    logits = np.load(tiny_run / "test_logits.npy")
    for name, form in record.forms.items():
        file = tiny_bundle / form.file
        assert (form.bytes, form.sha256) == (file.stat().st_size, sha256_of(file))
        assert form.parity.reviews == len(logits) == record.corpus.test_reviews
        assert form.regime == "one review at a time, no padding"
        assert form.accepted, name
    fp32, int8 = record.forms["fp32"], record.forms["int8"]
    assert (fp32.parity.label_flips, fp32.isa, fp32.difference_to_fp32) == (0, None, None)
    assert fp32.parity.max_abs_logit_diff < 1e-5
    assert (fp32.predictions.predicted() == logits.argmax(1)).all()
    flips = (fp32.predictions.predicted() != int8.predictions.predicted()).sum()
    assert int8.parity.label_flips == flips
    assert int8.isa in ("avx2", "avx512", "avx512_vnni", "arm64")
    assert int8.difference_to_fp32.difference == pytest.approx(int8.accuracy - fp32.accuracy)
    assert int8.bytes < fp32.bytes


def test_sizes_and_lengths_for_a_device_without_the_corpus(record, tiny_bundle, small_corpus_file):
    shared = ("config.json", "tokenizer.json", "tokenizer_config.json")
    assert record.shared_bytes == sum((tiny_bundle / name).stat().st_size for name in shared)
    texts = load_corpus(str(small_corpus_file)).test.texts
    assert record.lengths.tokens == Classifier(tiny_bundle).token_lengths(texts)
    assert max(record.lengths.tokens) <= 32
    assert record.lengths.test_hash == record.corpus.test_hash


def test_the_model_card(tiny_bundle, record):
    card = (tiny_bundle / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert "license: other\n" in front
    assert "pipeline_tag: text-classification\n" in front
    assert "# tiny-bert-full" in body
    assert "| form | what it is | file, MB | accuracy [95 %] | macro-F1 [95 %] | evidence |" in body
    for name, form in record.forms.items():
        (row,) = [line for line in body.splitlines() if line.startswith(f"| {name} |")]
        assert f"{100 * form.accuracy:.1f} %" in row
        assert FORMS[name].help in row
        assert form.reason in row
    assert record.corpus.test_hash[:16] in body
    assert f"int8 was made for and checked on `{record.forms['int8'].isa}`" in body
    assert "## Licence\n\nThe licence of the base weights is not known here" in body
    assert "{{" not in card and "{%" not in card


def test_a_known_licence_is_in_the_card(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    document = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**document, "base_license": "Apache-2.0"}))
    export(run, forms=["fp32"], output=tmp_path / "bundle")
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "license: apache-2.0\n" in card
    assert "Base weights: Apache-2.0. The fine-tuned weights follow it." in card


def test_the_floor_is_a_bundle_like_any_other(floor_bundle, floor_run):
    record = read_record(BundleRecord, floor_bundle / "bundle.json")
    assert {file.name for file in floor_bundle.iterdir()} == {
        "README.md",
        "ancestors.npz",
        "bundle.json",
        "config.json",
        "tfidf.json",
        "tfidf.npz",
    }
    assert list(record.forms) == ["fp32"]
    assert (record.runtime, record.max_length) == ("tfidf", None)
    parity = record.forms["fp32"].parity
    assert (parity.against, parity.label_flips) == ("scikit-learn in fp64", 0)
    assert parity.max_abs_logit_diff < 1e-4
    run = read_record(RunRecord, floor_run / "run.json")
    assert record.forms["fp32"].accuracy == run.test.accuracy
    assert "No base weights" in (floor_bundle / "README.md").read_text()


def test_a_floor_of_three_labels_answers_as_scikit_learn_does(tmp_path):
    labels = ["negative", "neutral", "positive"]
    corpus = load_corpus(str(write_reviews(tmp_path / "three.csv", labels, 180)))
    finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run")
    export(tmp_path / "run", output=tmp_path / "bundle")
    logits = Classifier(tmp_path / "bundle").predict_logits(corpus.test.texts)
    assert logits == pytest.approx(np.load(tmp_path / "run" / "test_logits.npy"), abs=1e-4)


def test_a_finished_bundle_is_returned_as_it_is(floor_run, tmp_path):
    first = export(floor_run, output=tmp_path / "bundle")
    written = (tmp_path / "bundle" / "bundle.json").stat().st_mtime_ns
    assert export(floor_run, output=tmp_path / "bundle") == first
    assert (tmp_path / "bundle" / "bundle.json").stat().st_mtime_ns == written


def test_a_bundle_that_lost_a_file_is_made_again(floor_run, tmp_path):
    export(floor_run, output=tmp_path / "bundle")
    (tmp_path / "bundle" / "tfidf.npz").unlink()
    export(floor_run, output=tmp_path / "bundle")
    assert (tmp_path / "bundle" / "tfidf.npz").is_file()


@pytest.mark.parametrize("change", ["{", '{"schema": "slmbench.bundle/0"}'])
def test_a_bundle_with_a_damaged_record_is_made_again(floor_run, tmp_path, change):
    first = export(floor_run, output=tmp_path / "bundle")
    (tmp_path / "bundle" / "bundle.json").write_text(change)
    assert export(floor_run, output=tmp_path / "bundle").key == first.key
    assert read_record(BundleRecord, tmp_path / "bundle" / "bundle.json").key == first.key


def test_another_run_replaces_the_bundle(floor_run, file_run, tmp_path):
    first = export(floor_run, output=tmp_path / "bundle")
    second = export(file_run[0], output=tmp_path / "bundle")
    assert first.run_key != second.run_key
    assert read_record(BundleRecord, tmp_path / "bundle" / "bundle.json") == second


def test_other_options_make_the_bundle_again(floor_run, tmp_path):
    first = export(floor_run, output=tmp_path / "bundle")
    assert export(floor_run, output=tmp_path / "bundle", max_accuracy_drop=0.5).key != first.key


def test_a_corpus_that_has_changed_is_noticed(file_run, tmp_path):
    run, reviews = file_run
    test = load_corpus(str(reviews)).test
    gone, label = test.texts[0], ["negative", "positive"][test.labels[0]]
    text = reviews.read_text()
    # The same review but for a word; tried until it falls on the same side of the split.
    for word in "the", "movie", "film", "plot", "story", "scene", "actor", "cast":
        reviews.write_text(text.replace(f"{gone},{label}", f"{gone} {word},{label}"))
        if len(load_corpus(str(reviews)).test) == len(test):
            break
    with pytest.raises(SlmbenchError, match=r"are not those of the record any more: the data has changed"):
        export(run, output=tmp_path / "out" / "bundle")
    assert not list((tmp_path / "out").glob("*"))


def test_a_corpus_that_is_gone_is_noticed(file_run, tmp_path):
    run, reviews = file_run
    reviews.unlink()
    with pytest.raises(SlmbenchError, match=r"reviews\.csv"):
        export(run, output=tmp_path / "out" / "bundle")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"forms": ["fp64"]}, "no form 'fp64'; did you mean .* fp32, fused, fp16, int8"),
        ({"forms": []}, "name at least one --form"),
        ({"max_accuracy_drop": 2}, "--max-accuracy-drop 2: give a fraction between 0 and 1"),
        ({"max_accuracy_drop": -0.1}, "--max-accuracy-drop -0.1"),
    ],
)
def test_options_that_are_wrong(floor_run, tmp_path, call, said):
    with pytest.raises(UsageError, match=said):
        export(floor_run, output=tmp_path / "bundle", **call)
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no run at .*nothing.*`slmbench finetune`"):
        export(tmp_path / "nothing")


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(UsageError, match=r"no run .*run\.json"):
        export(tmp_path)


def test_a_bundle_is_no_run(floor_bundle):
    with pytest.raises(UsageError, match="is a bundle, not a run"):
        export(floor_bundle)


def test_a_damaged_record(own_run, tmp_path):
    (own_run / "run.json").write_text("{")
    with pytest.raises(SlmbenchError, match="not a run record: it is not JSON"):
        export(own_run, output=tmp_path / "bundle")


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY damaged"])
def test_logits_that_are_missing_or_damaged(own_run, tmp_path, content):
    (own_run / "test_logits.npy").unlink()
    if content is not None:
        (own_run / "test_logits.npy").write_bytes(content)
    with pytest.raises(
        SlmbenchError, match=r"test_logits\.npy is missing or damaged: remove .*run and train it again"
    ):
        export(own_run, output=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_logits_of_another_run(own_run, tmp_path):
    np.save(own_run / "test_logits.npy", np.zeros((3, 2), dtype=np.float32))
    with pytest.raises(SlmbenchError, match=r"does not belong to run\.json"):
        export(own_run, output=tmp_path / "bundle")


def test_the_default_folder_is_named_after_the_run(floor_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = export(floor_run, command=["slmbench", "export"])
    assert record.path == "exported/tfidf"
    assert (tmp_path / "exported" / "tfidf" / "bundle.json").is_file()
    assert record.command == ["slmbench", "export"]
