"""The same call again: finished runs are found, interrupted ones go on, other inputs are trained again."""

import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from learnable import write_reviews

from slmbench.common.progress import Silent
from slmbench.corpora import load_corpus
from slmbench.evaluation import evaluate
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.records import BundleRecord, EvaluationRecord, RunRecord, artefacts

# 57 training rows in batches of 8: 8 steps an epoch.
OPTIONS = {
    "epochs": 3,
    "max_length": 16,
    "precision": "fp32",
    "device": "cpu",
    "batch_size": 8,
    "learning_rate": 5e-3,
}


class Interrupting(Silent):
    """A person who presses Ctrl-C after some training steps."""

    def __init__(self, steps):
        self.left = steps

    @contextmanager
    def task(self, description, total=None, unit=""):
        with super().task(description, total, unit) as silent:
            if description.startswith("training"):
                silent.advance = self.advance
            yield silent

    def advance(self, steps=1):
        self.left -= steps
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=64, test_size=20)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_base, corpus):
    """A training that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return finetune(str(tiny_base), corpus, TrainingOptions(**OPTIONS), output=folder), folder


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args, **kwargs):
        pytest.fail("trained again")

    monkeypatch.setattr("transformers.Trainer.train", fail)


def test_a_finished_run_is_returned_as_it_is(whole, tiny_base, corpus, no_training):
    record, folder = whole
    said = []
    progress = Silent()
    progress.say = said.append
    again = finetune(str(tiny_base), corpus, TrainingOptions(**OPTIONS), output=folder, progress=progress)
    assert again == record
    assert said == [f"{folder} is up to date: made from the same inputs"]


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 1e-3}, {"epochs": 1}, {"max_length": 8}])
def test_another_input_is_another_run(whole, tiny_base, corpus, change, monkeypatch, tmp_path):
    def noticed(*args, **kwargs):
        raise InterruptedError

    monkeypatch.setattr("transformers.Trainer.train", noticed)
    record, folder = whole
    with pytest.raises(InterruptedError):
        finetune(str(tiny_base), corpus, TrainingOptions(**{**OPTIONS, **change}), output=folder)
    # The run that was there is still there.
    assert finetune(str(tiny_base), corpus, TrainingOptions(**OPTIONS), output=folder) == record


@pytest.mark.parametrize("sizes", [{"train_size": 60, "test_size": 20}, {"train_size": 64, "test_size": 19}])
def test_other_reviews_are_another_run(whole, tiny_base, small_corpus_file, tmp_path, sizes):
    other = load_corpus(str(small_corpus_file), **sizes)
    record, folder = whole
    run = shutil.copytree(folder, tmp_path / "run")
    again = finetune(str(tiny_base), other, TrainingOptions(**OPTIONS), output=run)
    assert again.key != record.key
    assert again.corpus.test_reviews == sizes["test_size"]


def test_a_new_seed_replaces_the_run(tmp_path, tiny_base, corpus):
    options = {**OPTIONS, "epochs": 1}
    first = finetune(str(tiny_base), corpus, TrainingOptions(**options), output=tmp_path / "run")
    second = finetune(str(tiny_base), corpus, TrainingOptions(seed=1, **options), output=tmp_path / "run")
    assert (first.seed, second.seed) == (42, 1)
    assert first.weights_sha256 != second.weights_sha256
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]


def test_a_damaged_record_is_trained_again(tmp_path, corpus):
    baseline = TrainingOptions(method="tfidf")
    finetune("tfidf", corpus, baseline, output=tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    assert finetune("tfidf", corpus, baseline, output=tmp_path / "run").test.reviews == 20


def test_an_interrupted_training_leaves_no_run_and_goes_on(tmp_path, tiny_base, corpus, whole):
    call = {"model": str(tiny_base), "corpus": corpus, "options": TrainingOptions(**OPTIONS)}
    with pytest.raises(KeyboardInterrupt):
        finetune(**call, output=tmp_path / "run", progress=Interrupting(12))
    assert not (tmp_path / "run").exists()
    left = [folder.name for folder in tmp_path.iterdir()]
    assert [name.startswith(".run.checkpoints-") for name in left] == [True]

    said = []
    progress = Silent()
    progress.say = said.append
    record = finetune(**call, output=tmp_path / "run", progress=progress)
    assert said[0].startswith("resuming the interrupted training from")
    assert record.train.resumed_at_epoch == 1
    assert record.train.epochs == 3
    assert [line.epoch for line in record.train.history] == [1, 2, 3]
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]
    # Going on gives the weights that an uninterrupted training gives.
    uninterrupted, folder = whole
    assert uninterrupted.train.resumed_at_epoch is None
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    assert logits == pytest.approx(np.load(folder / "test_logits.npy"), abs=1e-5)


def test_a_checkpoint_torn_by_the_interruption_is_passed_over(tmp_path, tiny_base, corpus):
    call = {"model": str(tiny_base), "corpus": corpus, "options": TrainingOptions(**OPTIONS)}
    with pytest.raises(KeyboardInterrupt):
        finetune(**call, output=tmp_path / "run", progress=Interrupting(12))
    (checkpoints,) = tmp_path.iterdir()
    (checkpoints / "checkpoint-16").mkdir()
    (checkpoints / "checkpoint-16" / "model.safetensors").write_bytes(b"half")
    assert finetune(**call, output=tmp_path / "run").train.resumed_at_epoch == 1
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]


def test_an_interruption_before_the_first_epoch_starts_over(tmp_path, tiny_base, corpus):
    call = {"model": str(tiny_base), "corpus": corpus, "options": TrainingOptions(**{**OPTIONS, "epochs": 1})}
    with pytest.raises(KeyboardInterrupt):
        finetune(**call, output=tmp_path / "run", progress=Interrupting(2))
    assert not (tmp_path / "run").exists()
    assert finetune(**call, output=tmp_path / "run").train.resumed_at_epoch is None


def test_the_same_seed_gives_the_same_weights(tmp_path, tiny_base, corpus, whole):
    record = finetune(str(tiny_base), corpus, TrainingOptions(**OPTIONS), output=tmp_path / "run")
    assert record.key == whole[0].key
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    assert logits == pytest.approx(np.load(whole[1] / "test_logits.npy"), abs=1e-6)


def test_the_precision_of_an_earlier_training_is_not_kept(tmp_path, tiny_base, corpus, whole):
    bf16 = TrainingOptions(**{**OPTIONS, "epochs": 1, "precision": "bf16"})
    finetune(str(tiny_base), corpus, bf16, output=tmp_path / "bf16")
    finetune(str(tiny_base), corpus, TrainingOptions(**OPTIONS), output=tmp_path / "fp32")
    logits = np.load(tmp_path / "fp32" / "test_logits.npy")
    assert logits == pytest.approx(np.load(whole[1] / "test_logits.npy"), abs=1e-6)


def test_other_data_under_the_default_name_gets_a_name_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    progress = Silent()
    progress.say = said.append
    records = []
    for seed in (1, 2):
        file = tmp_path / str(seed) / "mine.csv"
        file.parent.mkdir()
        write_reviews(file, ["negative", "positive"], 80, seed)
        records.append(finetune("tfidf", str(file), method="tfidf", progress=progress))
    first, second = records
    assert first.path == "runs/tfidf-mine"
    assert second.path == f"runs/tfidf-mine-{second.key[:8]}" and second.name == f"tfidf-mine-{second.key[:8]}"
    assert any(first.path in line and second.path in line for line in said)
    assert artefacts.read(first.path, RunRecord).key == first.key
    # Their bundles and evaluations do not meet either.
    exported = [export(record.path, forms=["fp32"]) for record in records]
    assert exported[0].path != exported[1].path
    judged = [evaluate(record.path) for record in records]
    assert judged[0].path != judged[1].path
    # The second again is found.
    again = finetune("tfidf", str(file), method="tfidf")
    assert again.path == second.path


def test_a_bundle_of_other_options_and_an_evaluation_on_other_rows_keep_the_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "mine.csv", ["negative", "positive"], 80)
    run = finetune("tfidf", str(tmp_path / "mine.csv"), method="tfidf")
    first, second = (export(run.path, max_accuracy_drop=drop) for drop in (0.01, 0.02))
    assert first.path == "exported/tfidf-mine" and second.path.startswith("exported/tfidf-mine-")
    assert artefacts.read(first.path, BundleRecord).key == first.key
    judged = []
    for seed in (3, 4):
        write_reviews(tmp_path / "other.csv", ["negative", "positive"], 40, seed)
        judged.append(evaluate(run.path, str(tmp_path / "other.csv")))
    assert judged[0].path != judged[1].path
    assert artefacts.read(judged[0].path, EvaluationRecord).key == judged[0].key
