"""A classifier fine-tuned elsewhere is taken with its own head."""

import json
import shutil

import numpy as np
import pytest
from learnable import write_reviews

from slmbench.common.errors import UsageError
from slmbench.corpora import load_corpus
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune


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


@pytest.mark.parametrize(
    "labels", [["positive", "negative"], ["angry", "happy"], ["negative", "neutral", "positive"]]
)
def test_other_labels_are_refused(published, corpus, tmp_path, labels):
    change_labels(published, labels)
    with pytest.raises(UsageError, match=f"{', '.join(labels)}, the corpus negative, positive"):
        take(published, corpus, tmp_path / "run")


def test_a_model_without_a_head_for_three_labels_is_refused(published, tmp_path):
    three = write_reviews(tmp_path / "three.csv", ["negative", "neutral", "positive"], 90)
    with pytest.raises(UsageError, match="same labels in the same order"):
        take(published, load_corpus(str(three)), tmp_path / "run")


def test_options_of_training_are_refused():
    with pytest.raises(UsageError, match="--epochs .*'pretrained'"):
        TrainingOptions(method="pretrained", epochs=3)
