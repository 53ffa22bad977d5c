"""The same command in two processes: the weights of one process, and one process that reads, writes and speaks."""

import os

import pytest
from ranks import run_ranks
from safetensors.numpy import load_file

from slmbench.corpora import load_corpus
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.records import RunRecord, read_record

# 57 training rows in batches of 8: the last batch of an epoch has one row, none of them for the second process.
OPTIONS = {
    "epochs": 3.0,
    "max_length": 16,
    "precision": "fp32",
    "device": "cpu",
    "batch_size": 8,
    "learning_rate": 2e-4,
}


def words(base, corpus, folder, options):
    typed = {**options, "corpus": corpus, "train_size": 64, "test_size": 20, "output": folder}
    flags = [word for name, value in typed.items() for word in (f"--{name.replace('_', '-')}", value)]
    return ["finetune", "--model", base, *flags]


def run_alone(base, file, folder, method="full", **options):
    corpus = load_corpus(str(file), train_size=64, test_size=20)
    return finetune(str(base), corpus, TrainingOptions(method, **options), output=folder)


def check_same(folder, other):
    """Both runs have the same weights but for rounding."""
    weights, others = (load_file(run / "model" / "model.safetensors") for run in (folder, other))
    assert weights.keys() == others.keys()
    for name, values in weights.items():
        assert values == pytest.approx(others[name], abs=1e-5), name


def test_two_processes_learn_what_one_learns_and_the_first_alone_writes(tmp_path, tiny_base, small_corpus_file):
    alone = run_alone(tiny_base, small_corpus_file, tmp_path / "alone", **OPTIONS)
    first, second = run_ranks(tmp_path, *words(tiny_base, small_corpus_file, tmp_path / "both", OPTIONS))
    assert (first.status, second.status) == (0, 0)
    both = read_record(RunRecord, tmp_path / "both" / "run.json")
    assert (alone.train.processes, both.train.processes) == (1, 2)
    assert both.key == alone.key
    check_same(tmp_path / "both", tmp_path / "alone")
    assert both.train.best_epoch == alone.train.best_epoch
    for line, other in zip(both.train.history, alone.train.history, strict=True):
        assert line.validation_accuracy == other.validation_accuracy
        assert line.train_loss == pytest.approx(other.train_loss, abs=1e-4)
    assert str(tmp_path / "both") in first.said
    assert any("checkpoint-8" in line for line in first.written)
    assert (second.said, second.written) == ("", [])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"alone", "both"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_dead_process_ends_the_other_and_the_same_command_goes_on(tmp_path, tiny_base, small_corpus_file):
    options = {**OPTIONS, "class_weight": "balanced", "long_texts": "windows"}
    run_alone(tiny_base, small_corpus_file, tmp_path / "alone", "lora", **options)
    command = words(tiny_base, small_corpus_file, tmp_path / "both", {"method": "lora", **options})
    # Long reviews are several examples, so an epoch has more than eight steps, and fewer than twenty.
    first, second = run_ranks(tmp_path, *command, dies_at=20)
    assert (first.status, second.status) == (1, -9)
    assert [line for line in first.said.splitlines() if line.startswith("error: ")] == first.said.splitlines()[-1:]
    assert "same command again" in first.said and "Traceback" not in first.said
    assert second.said == ""
    (checkpoints,) = tmp_path.glob(".both.checkpoints-*")
    assert {path.name for path in checkpoints.glob("*/rng_state*")} == {"rng_state_0.pth"}

    first, second = run_ranks(tmp_path, *command)
    assert (first.status, second.status, second.said) == (0, 0, "")
    assert read_record(RunRecord, tmp_path / "both" / "run.json").train.resumed_at_epoch == 1
    check_same(tmp_path / "both", tmp_path / "alone")


def test_what_is_not_trained_together_is_done_by_the_first_process(tmp_path, small_corpus_file):
    command = ["finetune", "--corpus", small_corpus_file, "--output", tmp_path / "floor", "--method"]
    first, second = run_ranks(tmp_path, *command, "tfidf")
    assert (first.status, second.status, second.said, second.written) == (0, 0, "", [])
    assert read_record(RunRecord, tmp_path / "floor" / "run.json").train.processes == 1
    first, second = run_ranks(tmp_path, *command, "no-such-method")
    assert (first.status, second.status, second.said) == (2, 1, "")
    assert "no-such-method" in first.said
