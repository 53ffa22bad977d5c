"""Scoring a finished classifier on another corpus, as study 002 scored an IMDb model on HateXplain."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from learnable import reviews
from listener import Listener

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus
from slmbench.evaluation import evaluate, open_subject
from slmbench.records import EvaluationRecord, RunRecord, read_record
from slmbench.report import draw_evaluation

STAND_FOR = {"hatespeech": "negative", "offensive": "negative", "normal": "positive"}


def write_rows(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def posts(here):
    """90 reviews of the small corpus's kind under other labels: negative ones are hateful or offensive."""
    kinds = {"negative": ["hatespeech", "offensive"], "positive": ["normal"]}
    rows = [
        (text, kinds[label][number // 2 % len(kinds[label])])
        for number, (text, label) in enumerate(reviews(["negative", "positive"], 90, seed=7))
    ]
    return write_rows(here / "posts.csv", rows)


@pytest.mark.parametrize("made", ["tiny_run", "tiny_bundle", "floor_run", "floor_bundle"])
def test_three_labels_of_another_corpus_are_scored_as_two(made, posts, here, request):
    folder = request.getfixturevalue(made)
    record = evaluate(folder, posts, label_map=STAND_FOR)

    assert record.corpus.test_reviews == len(record.predictions.truth) == 90
    assert record.predictions.labels == ["negative", "positive"]
    assert np.bincount(record.predictions.truth).tolist() == [45, 45]
    assert record.label_map == STAND_FOR
    assert record.training_rows_left_out == 0
    assert record.seconds > 0
    # The words that make a label are the same here and in training.
    assert record.accuracy > 0.7
    assert not record.own_rows
    form = f"-{record.form}" if record.form else ""
    place = here / "evaluations" / f"{folder.name}{form}-on-posts"
    assert [file.name for file in place.iterdir()] == ["evaluation.json"]
    read = read_record(EvaluationRecord, place / "evaluation.json")
    assert read.predictions == record.predictions
    assert json.loads((place / "evaluation.json").read_text())["schema"] == "slmbench.evaluation/1"


@pytest.mark.parametrize("made", ["tiny_run", "tiny_bundle", "floor_run", "floor_bundle"])
def test_asked_again_it_answers_its_own_test_rows_as_recorded(made, here, request):
    subject = open_subject(request.getfixturevalue(made))
    test = load_corpus(**subject.corpus.options).test
    path = write_rows(
        here / "again.csv",
        [(text, subject.labels[label]) for text, label in zip(test.texts, test.labels, strict=True)],
    )

    record = evaluate(subject, path)

    recorded = subject.predictions
    assert record.predictions.row_ids == recorded.row_ids
    np.testing.assert_allclose(record.predictions.probabilities, recorded.probabilities, atol=2e-5)
    assert record.weights_sha256 == subject.weights_sha256


def test_reviews_it_was_trained_on_are_left_out(tiny_run, small_corpus_file, here):
    subject = open_subject(tiny_run)
    corpus = load_corpus(**subject.corpus.options)
    seen = len(corpus.train) + len(corpus.validation)

    record = evaluate(subject, str(small_corpus_file))

    assert record.training_rows_left_out == seen
    assert sorted(record.predictions.row_ids) == sorted(corpus.test.row_ids)
    assert record.accuracy == subject.record.test.accuracy
    only_training = write_rows(here / "seen.csv", [(text, "negative") for text in corpus.train.texts])
    with pytest.raises(SlmbenchError, match="were trained on: there is nothing to test on"):
        evaluate(subject, only_training)


def test_without_its_corpus_it_is_not_known_what_an_older_run_was_trained_on(tiny_run, small_corpus_file, here):
    shutil.copytree(tiny_run, here / "run")
    (here / "run/ancestors.npz").unlink()
    document = json.loads((here / "run/run.json").read_text())
    document["corpus"]["options"]["name_or_path"] = str(here / "gone.csv")
    (here / "run/run.json").write_text(json.dumps(document))

    for _ in range(2):
        record = evaluate(here / "run", str(small_corpus_file))
        assert record.training_rows_left_out is None
        assert any("is unknown" in note for note in record.notes)
        assert record.corpus.test_reviews == 240
        # Neither does another corpus of that name tell.
        shutil.copy(small_corpus_file, here / "gone.csv")
        with (here / "gone.csv").open("a") as file:
            file.writelines(f"one more {number},positive\n" for number in range(40))


def test_finished_work_is_not_done_again(tiny_bundle, posts):
    first = evaluate(tiny_bundle, posts, label_map=STAND_FOR)
    listener = Listener()
    again = evaluate(tiny_bundle, posts, label_map=STAND_FOR, progress=listener)
    assert (again.created, again.seconds) == (first.created, first.seconds)
    assert any("already there" in said for said in listener.said)
    other = evaluate(tiny_bundle, posts, label_map=STAND_FOR, test_size=30)
    assert len(other.predictions.truth) == 30


def test_a_form_of_a_bundle_is_chosen(tiny_bundle, posts):
    smallest, fp32 = open_subject(tiny_bundle), open_subject(tiny_bundle, "fp32")
    assert (smallest.form, fp32.form) == ("int8", "fp32")
    record = evaluate(fp32, posts, label_map=STAND_FOR)
    assert record.form == "fp32"
    assert record.path.endswith("tiny-bert-full-fp32-on-posts")
    with pytest.raises(UsageError, match="has no form 'int4'"):
        open_subject(tiny_bundle, "int4")


def test_own_rows_are_taken_over_without_running_anything(tiny_run, tiny_bundle, here):
    shutil.copytree(tiny_run, here / "run")
    shutil.rmtree(here / "run/model")
    record = evaluate(here / "run")
    assert record.own_rows
    assert record.predictions == read_record(RunRecord, tiny_run / "run.json").predictions
    assert (record.seconds, record.training_rows_left_out) == (None, None)
    assert record.path == "evaluations/run"
    assert draw_evaluation(record).stat().st_size > 1000
    assert sorted(file.name for file in (here / "evaluations/run").iterdir()) == ["confusion.png", "evaluation.json"]
    bundle = open_subject(tiny_bundle, "fp32")
    assert evaluate(bundle).predictions == bundle.record.forms["fp32"].predictions


def test_a_run_without_a_classifier_is_sent_to_fewshot(tiny_run, posts, here):
    shutil.copytree(tiny_run, here / "run")
    document = json.loads((here / "run/run.json").read_text())
    document |= {"has_model": False, "method": "prompt", "model": "some-lm"}
    (here / "run/run.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"run `slmbench fewshot --model some-lm --method prompt` on that corpus$"):
        evaluate(here / "run", posts, label_map=STAND_FOR)
    assert evaluate(open_subject(here / "run")).method == "prompt"


def test_labels_that_do_not_occur_are_said(tiny_run, here):
    path = write_rows(here / "praise.csv", [(text, "positive") for text, _ in reviews(["positive"], 20, seed=3)])
    record = evaluate(tiny_run, path)
    assert "no review is labelled negative: macro-F1 counts 0 for that" in record.notes
    assert record.evaluation.majority_baseline == 1.0


def test_nothing_of_the_users_is_replaced_and_nothing_half_written(tiny_run, posts, here, monkeypatch):
    (here / "mine").mkdir()
    (here / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="mine holds other files, which would be lost"):
        evaluate(tiny_run, posts, label_map=STAND_FOR, output=here / "mine")

    def broken(*_):
        raise OSError("no space left")

    monkeypatch.setattr("slmbench.evaluation.evaluating.write_record", broken)
    with pytest.raises(OSError, match="no space left"):
        evaluate(tiny_run, posts, label_map=STAND_FOR)
    assert not (here / "evaluations").exists()


def test_without_matplotlib_there_is_a_record_and_no_plot(tiny_bundle, posts, here, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "matplotlib" else found(name, *a))
        listener = Listener()
        record = evaluate(tiny_bundle, posts, label_map=STAND_FOR)
        assert draw_evaluation(record, listener) is None
    assert any("slmbench[report]" in said for said in listener.said)
    folder = here / record.path
    assert [file.name for file in folder.iterdir()] == ["evaluation.json"]
    # Once it is installed, the plot is made.
    assert draw_evaluation(record) is not None
    assert (folder / "confusion.png").is_file()


@pytest.mark.parametrize("made", ["tiny_bundle", "floor_bundle", "floor_run"])
def test_a_bundle_is_scored_without_torch(made, posts, request):
    script = f"""
import json, sys
from pathlib import Path
from slmbench.evaluation import evaluate
evaluate(Path(sys.argv[1]), sys.argv[2], label_map=json.loads({json.dumps(STAND_FOR)!r}))
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
    folder = request.getfixturevalue(made)
    done = subprocess.run([sys.executable, "-c", script, str(folder), posts], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"torch", "transformers", "sklearn", "optimum"} & set(json.loads(done.stdout.splitlines()[-1]))


def test_what_is_neither_run_nor_bundle(here):
    with pytest.raises(UsageError, match="no run or bundle at none"):
        open_subject(here.relative_to(here) / "none")
    (here / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no run or bundle.*run\.json.*bundle\.json"):
        open_subject(here / "empty")


def test_options_of_a_corpus_need_a_corpus(tiny_run, here):
    with pytest.raises(UsageError, match="test_size and label_map"):
        evaluate(tiny_run, test_size=5, label_map={"bad": "negative"})
