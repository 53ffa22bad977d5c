"""Texts longer than the model: what is read of them, in training as in the bundle, and what that is good for."""

import csv
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny import ARCHITECTURES, model_folder, wordpiece
from tiny import WORDS as VOCABULARY

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.edge.runtime import LONG_TEXTS, OnnxBackend, mean_by_text, parts_of_text
from slmbench.export import export
from slmbench.methods.fewshot import fewshot
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.methods.training.inference import classifier_logits, load_run
from slmbench.models import load_tokenizer
from slmbench.models.long_texts import encode_texts
from slmbench.profiling import ProfileOptions, profile
from slmbench.profiling.torch.backend import TorchBackend

LENGTH = 16
QUICK = {"max_length": LENGTH, "precision": "fp32", "device": "cpu", "batch_size": 16}
SETTINGS = {
    "full": {**QUICK, "epochs": 4, "learning_rate": 2e-3},
    "linear": {**QUICK, "epochs": 30, "learning_rate": 1e-2},
    "space": {**QUICK, "epochs": 30, "learning_rate": 1e-2},
}
FILLERS = [word for word in VOCABULARY if word not in ("superb", "awful")]


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """Reviews of 24 to 44 words that say only at their end whether they are good."""
    generator = random.Random(3)
    file = tmp_path_factory.mktemp("late") / "late.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["text", "label"])
        for number in range(600):
            words = generator.choices(FILLERS, k=generator.randint(20, 40))
            verdict = ["awful", "superb"][number % 2]
            writer.writerow([" ".join([*words, "it", "was", verdict, verdict]), ["negative", "positive"][number % 2]])
    return load_corpus(str(file), test_size=80)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A random BERT whose first token attends to the others."""
    return model_folder(tmp_path_factory.mktemp("base") / "tiny-bert", "bert", initializer_range=0.2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, late, base):
    """A fine-tuning for each way to read a long text."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        how: finetune(str(base), late, method="full", long_texts=how, output=folder / how, **SETTINGS["full"])
        for how in LONG_TEXTS
    }


@pytest.mark.parametrize("length", range(17, 70, 4))
@pytest.mark.parametrize("special", [(1, 1), (0, 2), (2, 0)])
def test_windows_read_everything_and_head_and_tail_a_full_input(length, special):
    before, after = special
    ends = {*range(before), *range(length - after, length)}
    windows = parts_of_text(length, special, LENGTH, "windows")
    assert {place for part in windows for place in part} == set(range(length))
    assert all(len(part) == LENGTH and part == sorted(set(part)) and ends <= set(part) for part in windows)
    assert len(windows) == -(-(length - before - after) // (LENGTH - before - after))
    (part,) = parts_of_text(length, special, LENGTH, "head-tail")
    assert len(part) == LENGTH and part == sorted(set(part)) and ends <= set(part)
    room = LENGTH - before - after
    assert part[before : before + room // 4] == list(range(before, before + room // 4))
    assert part[-1] == length - 1 and part[before + room // 4] == length - after - (room - room // 4)


def test_a_text_that_fits_is_not_cut():
    assert [parts_of_text(LENGTH, (1, 1), LENGTH, how) for how in LONG_TEXTS[1:]] == [None, None]


def test_the_mean_is_over_the_parts_of_a_text():
    answers = np.array([[1.0], [3.0], [5.0], [0.0]], dtype=np.float32)
    assert mean_by_text(answers, np.array([0, 0, 1, 2])).tolist() == [[2.0], [5.0], [0.0]]


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("how", LONG_TEXTS[1:])
def test_every_familys_special_tokens_stand_around_each_part(kind, how, tmp_path):
    wordpiece(tmp_path, kind)
    tokenizer = load_tokenizer(tmp_path, max_length=LENGTH)
    long, short = " ".join(["movie"] * 40), "a good movie"
    encoded = encode_texts(tokenizer, [long, short], LENGTH, how)
    fitting = dict(tokenizer([" ".join(["movie"] * (LENGTH - 2))]))
    assert set(encoded.columns) == set(fitting)
    for name, (column,) in fitting.items():
        assert encoded.columns[name][:-1] == [column] * (len(encoded.texts) - 1)
        assert encoded.columns[name][-1] == tokenizer(short)[name]
    assert encoded.texts.tolist() == ([0, 1] if how == "head-tail" else [0, 0, 0, 1])


def test_a_verdict_at_the_end_is_found_by_head_and_tail_and_by_windows(runs):
    accuracy = {how: run.test.accuracy for how, run in runs.items()}
    assert accuracy["head"] < 0.7
    assert accuracy["head-tail"] > 0.9 and accuracy["windows"] > 0.9
    assert [run.hyperparameters.get("long_texts") for run in runs.values()] == [None, "head-tail", "windows"]
    assert len({run.key for run in runs.values()}) == 3


def test_the_run_says_what_was_read(runs):
    cut = {how: run.truncation for how, run in runs.items()}
    assert all(one.cut_reviews == one.reviews for one in cut.values())
    assert cut["head"].cut_tokens == cut["head-tail"].cut_tokens > 0 == cut["windows"].cut_tokens
    assert "100.0 %" in cut["windows"].sentence() and "windows" in cut["windows"].sentence()


@pytest.mark.parametrize("how", LONG_TEXTS)
def test_the_bundle_answers_as_the_run_does(how, runs, late, tmp_path):
    run = runs[how]
    logits = np.load(f"{run.path}/test_logits.npy")
    model, tokenizer, limit = load_run(Path(run.path), run)
    assert classifier_logits(model, tokenizer, late.test.texts, limit, SILENT) == pytest.approx(logits, abs=1e-4)
    bundle = export(run.path, forms=["fp32", "int8-static"], output=tmp_path / "bundle")
    classifier = Classifier(bundle.path, form="fp32")
    for budget in (0, 64, 4096):
        found = classifier.predict_logits(late.test.texts, batch_tokens=budget)
        assert found == pytest.approx(logits, abs=1e-4)
    assert max(classifier.token_lengths(late.test.texts)) == (4 * LENGTH if how == "windows" else LENGTH)
    written = json.loads((tmp_path / "bundle" / "config.json").read_text(encoding="utf-8"))
    assert written.get("slmbench_long_texts") == (None if how == "head" else how)
    assert bundle.long_texts == how


def test_windows_are_timed_as_they_run(runs, tmp_path):
    run = runs["windows"]
    bundle = export(run.path, forms=["fp32"], output=tmp_path / "bundle")
    brief = {"processes": 1, "time_limit_s": 1.0}
    (record,) = profile([bundle.path], ProfileOptions(**brief), output=tmp_path / "profiles")
    assert record.corpus.tokens_max == max(bundle.lengths.tokens) > LENGTH
    assert record.evaluation.accuracy == run.test.accuracy


def test_torch_runs_it_as_it_was_tested(runs, late):
    run = runs["windows"]
    backend = TorchBackend(Path(run.path), device="cpu", precision="fp32", mode="eager", threads=None)
    items = backend.encode(late.test.texts)
    assert backend.logits(items) == pytest.approx(np.load(f"{run.path}/test_logits.npy"), abs=1e-4)
    assert max(backend.lengths(items)) == 4 * LENGTH


@pytest.mark.parametrize("method", ["linear", "space"])
@pytest.mark.parametrize("how", LONG_TEXTS[1:])
def test_heads_on_a_frozen_encoder_read_long_texts_too(method, how, late, base, tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    run = finetune(str(base), late, method=method, long_texts=how, output=tmp_path / "run", **SETTINGS[method])
    assert run.test.accuracy > 0.75 and run.train.best_epoch is not None
    bundle = export(run.path, forms=["fp32"], output=tmp_path / "bundle")
    found = Classifier(bundle.path).predict_logits(late.test.texts)
    assert found == pytest.approx(np.load(tmp_path / "run" / "test_logits.npy"), abs=1e-4)


FEW = {"shots": 60, "max_length": LENGTH, "device": "cpu"}
SETFIT = {**FEW, "learning_rate": 2e-3, "epochs": 1, "pairs": 400}


@pytest.mark.parametrize(("method", "settings"), [("probe", FEW), ("setfit", SETFIT)])
@pytest.mark.parametrize("how", LONG_TEXTS)
def test_a_regression_on_sentence_vectors_reads_long_texts_too(method, settings, how, late, base, tmp_path):
    run = fewshot(str(base), late, method=method, long_texts=how, output=tmp_path / "run", **settings)
    assert (run.test.accuracy > 0.75) == (how != "head")
    assert run.hyperparameters.get("long_texts", "head") == how
    bundle = export(run.path, forms=["fp32"], output=tmp_path / "bundle")
    assert bundle.long_texts == how
    found = Classifier(bundle.path).predict_logits(late.test.texts)
    assert found == pytest.approx(np.load(tmp_path / "run" / "test_logits.npy"), abs=1e-4)


def test_a_published_classifier_reads_as_it_is_told(runs, base, late, tmp_path):
    options = {"method": "pretrained", "max_length": LENGTH}
    model = tmp_path / "published"
    shutil.copytree(Path(runs["windows"].path) / "model", model)
    head, windows = (
        finetune(str(model), late, long_texts=how, output=tmp_path / how, **options) for how in ("head", "windows")
    )
    assert windows.test.accuracy == runs["windows"].test.accuracy > head.test.accuracy
    assert head.key != windows.key


def test_a_student_learns_from_a_teacher_that_reads_windows(runs, late, base, tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    options = {**SETTINGS["full"], "teacher": runs["windows"].path, "long_texts": "windows", "hard_weight": 0.0}
    run = finetune(str(base), late, method="full", output=tmp_path / "run", **options)
    assert run.test.accuracy > 0.9


def test_what_contradicts_it_is_refused(runs, tmp_path):
    with pytest.raises(UsageError, match="--truncation-side left"):
        TrainingOptions("full", long_texts="head-tail", truncation_side="left")
    with pytest.raises(UsageError, match="padded"):
        TrainingOptions("space", long_texts="windows", space_pooling="padded")
    with pytest.raises(UsageError, match="windows"):
        export(runs["windows"].path, with_tokenizer=True, output=tmp_path / "bundle")


def test_a_bundle_of_a_later_way_is_refused_in_a_sentence(runs, tmp_path):
    bundle = export(runs["head-tail"].path, forms=["fp32"], output=tmp_path / "bundle")
    file = tmp_path / "bundle" / "config.json"
    file.write_text(file.read_text(encoding="utf-8").replace("head-tail", "middle"), encoding="utf-8")
    with pytest.raises(SlmbenchError, match="'middle'"):
        OnnxBackend(tmp_path / "bundle", tmp_path / "bundle" / bundle.forms["fp32"].file, None)
