"""A classifier fine-tuned elsewhere is taken with its own head."""

import json
import shutil

import numpy as np
import pytest
from learnable import write_reviews

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import Silent
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.models import load_tokenizer
from slmbench.records import RunRecord


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file))


@pytest.fixture
def published(tiny_run, tmp_path):
    """A classifier's folder as a hub has it."""
    return shutil.copytree(tiny_run / "model", tmp_path / "published")


def change_labels(folder, labels):
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(index): label for index, label in enumerate(labels)}
    config["label2id"] = {label: index for index, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(config))


def take(folder, corpus, output, **options):
    chosen = TrainingOptions(method="pretrained", max_length=32, device="cpu", **options)
    return finetune(str(folder), corpus, chosen, output=output)


def test_it_answers_as_the_run_it_came_from(published, tiny_run, corpus, tmp_path):
    record = take(published, corpus, tmp_path / "run")
    np.testing.assert_allclose(
        np.load(tmp_path / "run" / "test_logits.npy"), np.load(tiny_run / "test_logits.npy"), atol=1e-5
    )
    assert record.train.seconds == 0
    assert record.trainable_parameters == 0
    assert record.test.accuracy > 0.8


def test_one_that_answers_nan_is_refused_and_nothing_is_left(published, corpus, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(published / "model.safetensors")
    weights["classifier.weight"] *= float("nan")
    save_file(weights, published / "model.safetensors", {"format": "pt"})
    with pytest.raises(SlmbenchError, match="NaN"):
        take(published, corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("length", "cut"), [(64, False), (5, True)])
def test_what_is_cut_at_the_maximum_length_is_said_and_recorded(published, corpus, tmp_path, length, cut):
    said = []
    listener = Silent()
    listener.say = said.append
    chosen = TrainingOptions(method="pretrained", max_length=length, device="cpu")
    record = finetune(str(published), corpus, chosen, output=tmp_path / "run", progress=listener)
    found = record.truncation
    tokenizer = load_tokenizer(published)
    lengths = [len(ids) for ids in tokenizer(corpus.test.texts)["input_ids"]]
    assert (found.reviews, found.tokens) == (len(corpus.test), sum(lengths))
    assert found.cut_reviews == sum(count > length for count in lengths)
    assert found.cut_tokens == sum(max(0, count - length) for count in lengths)
    assert (found.cut_reviews > 0) == cut
    assert any("were cut there" in line for line in said) == cut
    assert ("were cut there" in found.sentence()) == cut
    assert RunRecord.model_validate_json(record.to_json()).truncation == found


def test_it_can_be_exported(published, corpus, tmp_path):
    take(published, corpus, tmp_path / "run")
    bundle = export(tmp_path / "run", forms=["fp32"], output=tmp_path / "bundle")
    assert bundle.method == "pretrained"
    assert bundle.forms["fp32"].parity.label_flips == 0


def test_names_in_capitals_are_the_same_labels(published, corpus, tmp_path):
    change_labels(published, ["NEGATIVE", "POSITIVE"])
    assert take(published, corpus, tmp_path / "run").test.accuracy > 0.8


def test_labels_without_names_are_taken_in_order_and_that_is_said(published, corpus, tmp_path):
    change_labels(published, ["LABEL_0", "LABEL_1"])
    record = take(published, corpus, tmp_path / "run")
    assert record.test.accuracy > 0.8
    assert "negative, positive" in record.notes[0]


def test_the_same_names_in_another_order_are_put_in_order(published, tiny_run, corpus, tmp_path):
    change_labels(published, ["positive", "negative"])
    record = take(published, corpus, tmp_path / "run")
    expected = np.load(tiny_run / "test_logits.npy")[:, ::-1]
    np.testing.assert_allclose(np.load(tmp_path / "run" / "test_logits.npy"), expected, atol=1e-5)
    assert record.predictions.labels == ["negative", "positive"]
    assert record.test.accuracy < 0.2  # the trained model with its labels exchanged
    assert "positive, negative" in record.notes[0]


def test_a_bundle_and_a_cascade_of_one_with_the_other_order_answer_by_name(
    published, tiny_run, floor_bundle, corpus, tmp_path
):
    from transformers import pipeline

    names = ["POSITIVE", "NEGATIVE"]
    change_labels(published, names)
    take(published, corpus, tmp_path / "run")
    bundle = export(tmp_path / "run", forms=["fp32"], output=tmp_path / "bundle")
    both = tmp_path / "both"
    cascade(floor_bundle, tmp_path / "bundle", CascadeOptions(threshold=1.0, large_form="fp32"), output=both)

    texts = list(corpus.test.texts[:5])
    as_published = pipeline("text-classification", str(published), tokenizer=load_tokenizer(published), device=-1)
    wanted = [answer["label"].lower() for answer in as_published(texts)]
    for folder in (tmp_path / "bundle", both):
        assert [answer.label for answer in Classifier(folder).predict(texts)] == wanted
    # Other runtimes read the names in config.json.
    configured = json.loads((tmp_path / "bundle/config.json").read_text())["id2label"]
    assert [configured[str(column)] for column in range(2)] == bundle.labels == ["negative", "positive"]


def test_other_names_are_matched_by_a_map(published, corpus, tmp_path):
    change_labels(published, ["pos", "neg"])
    with pytest.raises(UsageError, match="--label-map pos=…,neg=…"):
        take(published, corpus, tmp_path / "run")
    # The names are exchanged: what it calls neg answers as positive did.
    record = take(published, corpus, tmp_path / "run", label_map={"pos": "negative", "neg": "positive"})
    assert record.test.accuracy > 0.8
    turned = take(published, corpus, tmp_path / "turned", label_map="pos=positive,neg=negative")
    assert turned.test.accuracy < 0.2
    assert turned.hyperparameters["label_map"] == {"pos": "positive", "neg": "negative"}


@pytest.mark.parametrize(
    ("label_map", "words"),
    [
        ({"happy": "positive"}, "no label 'happy'"),
        ({"pos": "good"}, "the corpus has no label 'good'"),
        ({"pos": "positive", "neg": "positive"}, "needs the same labels"),
    ],
)
def test_a_map_of_labels_that_do_not_exist(published, corpus, tmp_path, label_map, words):
    change_labels(published, ["neg", "pos"])
    with pytest.raises(UsageError, match=words):
        take(published, corpus, tmp_path / "run", label_map=label_map)


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_a_model_that_does_not_give_one_label_is_refused(published, corpus, tmp_path, kind):
    config = json.loads((published / "config.json").read_text())
    (published / "config.json").write_text(json.dumps(config | {"problem_type": kind}))
    with pytest.raises(UsageError, match="several labels a text|one number a text"):
        take(published, corpus, tmp_path / "run")


def test_a_checkpoint_without_its_head_is_refused_and_nothing_is_left(published, corpus, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(published / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}
    save_file(kept, published / "model.safetensors", {"format": "pt"})
    with pytest.raises(SlmbenchError, match=r"missing: classifier\.bias, classifier\.weight"):
        take(published, corpus, tmp_path / "runs" / "run")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("labels", [["angry", "happy"], ["negative", "neutral", "positive"]])
def test_other_labels_are_refused(published, corpus, tmp_path, labels):
    change_labels(published, labels)
    with pytest.raises(UsageError, match=f"{', '.join(labels)}, the corpus negative, positive"):
        take(published, corpus, tmp_path / "run")


def test_a_model_without_a_head_for_three_labels_is_refused(published, tmp_path):
    three = write_reviews(tmp_path / "three.csv", ["negative", "neutral", "positive"], 90)
    with pytest.raises(UsageError, match="needs the same labels"):
        take(published, load_corpus(str(three)), tmp_path / "run")


def test_options_of_training_are_refused():
    with pytest.raises(UsageError, match="--epochs .*'pretrained'"):
        TrainingOptions(method="pretrained", epochs=3)
