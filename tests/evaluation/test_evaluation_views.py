"""What people see of a classification."""

import io

import numpy as np
import pytest
from factories import corpus_identity, run_record
from rich.console import Console

from slmbench.cli.views.evaluation import class_table, confusion_table, evaluation_view, seeds_table
from slmbench.cli.views.runs import run_summary
from slmbench.evaluation import group_runs
from slmbench.records import AnswerCost, EvaluationRecord, Predictions
from slmbench.statistics import evaluate

CATEGORIES = ["Books", "Music", "Video", "Toys", "Tools", "Office Products", "Electronics", "Kitchen"]


def shown(*parts, width=120):
    file = io.StringIO()
    console = Console(file=file, width=width)
    for part in parts:
        console.print(part)
    return file.getvalue()


def said(truth, answers, labels, abstained=()):
    """Predictions that name one label with all certainty."""
    ids = [f"{number:016x}:{labels[label]}" for number, label in enumerate(truth)]
    return Predictions.of(labels, ids, list(truth), np.eye(len(labels))[list(answers)], abstained)


def evaluation(predictions, **changes):
    return EvaluationRecord(
        **{
            "name": "run-on-posts",
            "path": "evaluations/run-on-posts",
            "subject": "run",
            "subject_name": "run",
            "subject_path": "runs/run",
            "form": None,
            "weights_sha256": "6" * 64,
            "model": "tiny",
            "method": "full",
            "trained_on": "imdb",
            "train_hash": "5" * 64,
            "own_rows": False,
            "corpus": corpus_identity(corpus="posts", reviews=len(predictions.truth)),
            "training_rows_left_out": 0,
            "predictions": predictions,
            "seconds": 2.0,
            "regime": "one review at a time",
            "hardware": {},
            "software": {},
            **changes,
        }
    )


def posts(minority_found, false_alarms):
    """Study 002's posts: 1,142 of 1,924 are negative; some of the others are found, at the price of false alarms."""
    truth = [0] * 1142 + [1] * 782
    answers = [1] * false_alarms + [0] * (1142 - false_alarms) + [1] * minority_found + [0] * (782 - minority_found)
    return evaluation(said(truth, answers, ["negative", "positive"]))


def test_an_accuracy_at_the_majority_baseline_does_not_inform():
    # The plain head of study 002 on HateXplain: .6013 accuracy, .4450 macro-F1, .0869 recall.
    record = posts(68, 53)
    assert record.accuracy == pytest.approx(0.6013, abs=1e-4)
    assert record.evaluation.macro_f1 == pytest.approx(0.4450, abs=5e-4)
    assert record.evaluation.majority_baseline == pytest.approx(0.5936, abs=5e-5)
    sentence = record.majority_sentence()
    assert "not differ significantly" in sentence
    assert "'negative' (59.4 %;" in sentence
    assert "macro-F1 (0.445; of the baseline 0.372)" in sentence


def test_accuracies_above_and_below_are_said():
    above = posts(192, 0).majority_sentence()
    assert "10.0 points above" in above
    assert "'negative' (59.4 %;" in above
    assert "macro-F1" not in above
    below = posts(0, 200).majority_sentence()
    assert "10.4 points below" in below
    assert "macro-F1" in below
    assert posts(192, 0).sentence().startswith("run on posts (1,924 reviews): accuracy 69.3 %, macro-F1 0.")


def test_the_p_value_is_that_of_the_binomial_test():
    from scipy.stats import binomtest

    record = posts(68, 53)
    assert record.majority_p_value == binomtest(1157, 1924, 1142 / 1924).pvalue


def test_many_labels_become_numbers_in_the_header():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 8, 200)
    table = shown(confusion_table(evaluate(truth, np.eye(8)[truth], CATEGORIES)))
    assert max(map(len, table.splitlines())) <= 80
    assert "6 Office Products" in table
    few = shown(confusion_table(evaluate([0, 1, 1], np.eye(2)[[0, 1, 0]], ["no", "yes"])))
    assert few.splitlines()[1].split() == ["true", "\\", "predicted", "no", "yes", "recall"]


def test_reviews_without_a_label_have_a_column():
    predictions = said([0, 0, 1, 1], [0, 1, 1, 1], ["no", "yes"], abstained=[3])
    table = shown(confusion_table(predictions.evaluate()))
    rows = [line.split() for line in table.splitlines()]
    assert ["no", "1", "1", "0", "0.500"] in rows
    assert ["yes", "0", "1", "1", "0.500"] in rows
    view = shown(*evaluation_view(evaluation(predictions)))
    assert "1 of 4, counted as wrong" in view


def test_labels_may_look_like_markup():
    predictions = said([0, 1], [0, 1], ["[bold]", "[/]"])
    assert "[/]" in shown(class_table(predictions.evaluate()), confusion_table(predictions.evaluate()))


def test_a_transfer_shows_labels_rows_and_rate():
    record = posts(68, 53).model_copy(
        update={"label_map": {"hateful": "negative"}, "training_rows_left_out": 7, "notes": ["a note"]}
    )
    view = shown(*evaluation_view(record))
    for words in (
        "trained on imdb",
        "posts: 1,924 reviews, none of them trained on (7 left out for that)",
        "hateful = negative",
        "962 reviews/s (one review at a time)",
        "precision",
        "a note",
    ):
        assert words in view


@pytest.fixture
def categories():
    """A run of three labels, a few-shot one, with things of its own to say."""
    predictions = said([0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 2, 2], ["books", "dvd", "toys"])
    train = run_record().train.model_copy(update={"seconds": 0.0, "epochs": 0, "history": []})
    return run_record(
        predictions=predictions,
        method="prompt",
        shots=2,
        train=train,
        answering=AnswerCost(seconds=12.0, reviews_per_second=0.5, peak_rss_bytes=700_000_000),
        details={
            "unparsable": 3,
            "answers": {"first": "Books\n and  so on", "weights_sha256": "7" * 64, "share": 0.123456},
            "long": "x" * 200,
            "rows": [1, 2, 3],
        },
        notes=["dequantised from 4 bit"],
    )


def test_a_run_of_several_labels_shows_its_classes(categories):
    view = shown(*run_summary(categories))
    assert "83.3 %" in view and "top-2 accuracy" in view
    assert "precision" in view
    assert "2 per label" in view
    assert "12.0 s, 0.500 reviews/s, peak 700 MB" in view
    assert "training" not in view
    assert "dequantised from 4 bit" in view
    assert "precision" not in shown(*run_summary(run_record()))
    assert "training" in shown(*run_summary(run_record()))


def test_details_are_brief(categories):
    view = shown(*run_summary(categories))
    assert "unparsable" in view
    assert "first Books and so on, share 0.1235" in view
    assert "777" not in view
    assert "x" * 80 not in view
    assert "x" * 79 + "…" in view


def test_own_rows_show_how_the_run_was_made(categories):
    record = evaluation(categories.predictions, own_rows=True, seconds=None, training_rows_left_out=None)
    view = shown(*evaluation_view(record, categories))
    assert "its own 6 held-out reviews of posts" in view
    assert "unparsable" in view
    assert "12.0 s" in view


def test_the_table_over_seeds_keeps_its_numbers_whole_on_a_narrow_terminal():
    runs = [run_record(f"run{seed}", accuracy=0.8 + seed / 100, seed=seed, model="minilm-l6") for seed in (1, 2, 3)]
    wide, narrow = (shown(*seeds_table(group_runs(runs)), width=width) for width in (120, 70))
    for table in (wide, narrow):
        assert "minilm-l6" in table
        assert "82.0 ±2.5" in table
        assert "1,100" in table
        assert "answer" not in table.partition("±")[0]  # of these runs nothing is known of it
    assert "22.7M" in wide
    assert "22.7M" not in narrow
    assert "not shown in this width: sd, weights trained" in narrow
