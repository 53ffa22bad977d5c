"""Runs over seeds: what is pooled, what is kept apart, and what the interval says."""

import numpy as np
import pytest
from factories import corpus_identity, predictions, run_record

from slmbench.evaluation import group_runs
from slmbench.evaluation.run_tables import HEADERS, document_of, legend_of, markdown_of, rows_of
from slmbench.records import AnswerCost


def seeds(*accuracies, **changes):
    """Runs that differ in their seed, of these accuracies."""
    changes = {"model": "tiny", **changes}
    return [
        run_record(f"{changes['model']}-{seed}", accuracy=accuracy, **{"seed": seed, **changes})
        for seed, accuracy in enumerate(accuracies, 1)
    ]


def only(records):
    (table,) = group_runs(records)
    return table


def test_seeds_become_one_row():
    runs = seeds(0.81, 0.84, 0.86)
    (group,) = only(runs).groups
    assert [run.seed for run in group.runs] == [1, 2, 3]
    assert group.accuracy == pytest.approx(np.mean([0.81, 0.84, 0.86]))
    assert group.sd == pytest.approx(np.std([0.81, 0.84, 0.86], ddof=1))
    # For other seeds and other reviews: at least as wide as for either alone.
    half = (group.interval[1] - group.interval[0]) / 2
    assert half > 1.96 * group.sd / np.sqrt(3) and half > 1.96 * np.sqrt(0.84 * 0.16 / 1000) * 0.8
    assert group.interval_over == "seeds and reviews"
    assert group.macro_f1 == pytest.approx(np.mean([run.test.macro_f1 for run in runs]))
    assert group.verdict == "above"


@pytest.mark.parametrize(
    "difference",
    [
        {"method": "lora"},
        {"model": "other"},
        {"base_sha256": "9" * 64},
        {"hyperparameters": {"lr": 1e-4, "epochs": 3, "layers": 3}},
        {"shots": 8},
        {"corpus": corpus_identity(train_reviews=500)},
        {"corpus": corpus_identity(train_hash="7" * 64)},
        {"details": {"teacher": {"name": "big", "weights_sha256": "8" * 64}}},
    ],
)
def test_what_differs_in_more_than_the_seed_is_a_row_of_its_own(difference):
    table = only([*seeds(0.8, 0.82), *seeds(0.83, 0.84, **difference)])
    assert [len(group.runs) for group in table.groups] == [2, 2]
    cells = [tuple(row[:3]) for row in rows_of(table)]
    assert len(set(cells)) == 2, cells


def test_the_same_seed_twice_counts_once():
    first, second = seeds(0.8, 0.82)
    table = only([first, second, first.model_copy(update={"name": "copy"})])
    assert [len(group.runs) for group in table.groups] == [2]
    assert [run.name for run in table.repeated] == ["copy"]
    assert any("same seed: copy" in line for line in legend_of(table))


def test_runs_of_other_test_rows_are_in_another_table():
    others = [
        run.model_copy(update={"predictions": predictions(0.8, reviews=500), "corpus": corpus_identity(reviews=500)})
        for run in seeds(0.8, 0.8)
    ]
    tables = group_runs([*seeds(0.8, 0.82), *others])
    assert [table.first.test.reviews for table in tables] == [1000, 500]
    assert [len(table.groups) for table in tables] == [1, 1]


def test_rows_in_another_order_are_the_same_rows():
    first, second = seeds(0.8, 0.82)
    said = second.predictions
    turned = said.model_copy(
        update={name: list(reversed(getattr(said, name))) for name in ("row_ids", "truth", "probabilities")}
    )
    (group,) = only([first, second.model_copy(update={"predictions": turned})]).groups
    assert len(group.runs) == 2
    (same,) = only([first, first.model_copy(update={"seed": 9, "predictions": first.predictions})]).groups
    assert not same.seed_matters


def test_one_seed_shows_the_interval_over_reviews():
    (run,) = seeds(0.8)
    table = only([run])
    (group,) = table.groups
    assert (group.interval, group.interval_over, group.sd) == (run.test.accuracy_ci95, "reviews", None)
    several = only(seeds(0.8, 0.82))
    # One column of ± with one meaning, in one sentence.
    assert sum("±" in line for line in legend_of(table)) == sum("±" in line for line in legend_of(several)) == 1
    assert all(rows_of(one)[0][4].count("±") == 1 for one in (table, several))


def test_seeds_that_change_nothing_are_not_a_narrow_interval():
    (run,) = seeds(0.8)
    table = only([run.model_copy(update={"seed": seed}) for seed in range(3)])
    (group,) = table.groups
    assert len(group.runs) == 3
    assert group.sd == pytest.approx(0)
    assert (group.interval, group.interval_over) == (run.test.accuracy_ci95, "reviews")


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ((0.6,), "above"),
        ((0.52,), "undecided"),
        ((0.4,), "below"),
        ((0.7, 0.71, 0.72), "above"),
        ((0.45, 0.6, 0.7), "undecided"),
        # Seeds agree to a tenth of a point, but a thousand reviews tell no more than three.
        ((0.51, 0.511, 0.512), "undecided"),
        ((0.3, 0.31, 0.32), "below"),
    ],
)
def test_what_cannot_be_told_from_the_majority_baseline_is_marked(accuracies, verdict):
    table = only(seeds(*accuracies))
    assert table.groups[0].verdict == verdict
    assert rows_of(table)[0][-1] == {"above": "", "undecided": "at chance", "below": "below majority"}[verdict]


def test_costs_are_means_and_the_memory_a_maximum():
    runs = seeds(0.8, 0.82)
    runs = [
        run.model_copy(
            update={
                "train": run.train.model_copy(update={"seconds": seconds, "peak_rss_bytes": peak}),
                "answering": AnswerCost(seconds=2 * seconds, reviews_per_second=1.0, peak_rss_bytes=answering),
            }
        )
        for run, seconds, peak, answering in zip(runs, (10, 20), (5_000, 7_000), (9_000, None), strict=True)
    ]
    (group,) = only(runs).groups
    assert (group.train_seconds, group.answering_seconds, group.peak_bytes) == (15, 30, 9_000)
    untrained = [
        run.model_copy(update={"train": run.train.model_copy(update={"seconds": 0.0, "peak_rss_bytes": None})})
        for run in seeds(0.8)
    ]
    (group,) = only(untrained).groups
    assert (group.train_seconds, group.answering_seconds, group.peak_bytes) == (None, None, None)
    assert rows_of(only(untrained))[0][7:10] == ["–", "–", "–"]


def test_other_machines_are_said():
    first, second = seeds(0.8, 0.82)
    table = only([first, second.model_copy(update={"hardware": {**second.hardware, "fingerprint": "other"}})])
    assert any("2 machines" in line for line in legend_of(table))


def test_rows_stand_by_method_model_and_shots():
    runs = [
        *seeds(0.9),
        *seeds(0.8, method="cloze", shots=16),
        *seeds(0.7, method="cloze", shots=0),
        *seeds(0.7, method="cloze", shots=2, model="folder/of/big"),
    ]
    rows = rows_of(only(runs))
    assert [row[:3] for row in rows] == [
        ["cloze", "big", "2 a label"],
        ["cloze", "tiny", "none"],
        ["cloze", "tiny", "16 a label"],
        ["full", "tiny", "1,100"],
    ]


def test_what_tells_rows_apart_is_short_or_a_letter():
    runs = [
        *seeds(0.7, hyperparameters={"top_n": None, "template": "one"}),
        *seeds(0.7, hyperparameters={"top_n": 30, "template": "one"}),
    ]
    table = only(runs)
    assert [row[1] for row in rows_of(table)] == ["tiny top n none", "tiny top n 30"]
    words = {"negative": ["bad", "awful"], "positive": ["good"]}
    runs += seeds(0.7, hyperparameters={"template": "it was a {mask} film, so much is certain", "words": words})
    table = only(runs)
    assert [row[1] for row in rows_of(table)] == ["tiny (a)", "tiny (b)", "tiny (c)"]
    assert any("words negative: bad/awful positive: good" in line for line in legend_of(table))


def test_markdown_has_one_table_for_each_set_of_test_rows():
    other = [run.model_copy(update={"predictions": predictions(0.8, reviews=500)}) for run in seeds(0.8)]
    runs = [*seeds(0.81, 0.84, 0.86), *seeds(0.5, model="a|b"), *other]
    text = markdown_of(group_runs(runs))
    assert text.count("| method | model |") == 2
    assert "imdb: 1,000 test reviews (" in text
    assert "majority baseline 50.0 %" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    # A stroke in a name is no border.
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(HEADERS) + 1}
    assert "±" in text
    assert "at chance" in text


def test_the_document_has_the_raw_numbers():
    document = document_of(group_runs(seeds(0.81, 0.84, 0.86)))
    (table,) = document["tables"]
    (row,) = table["rows"]
    assert document["schema"] == "slmbench.evaluations/1"
    assert table["majority_baseline"] == 0.5
    assert row["accuracies"] == pytest.approx([0.81, 0.84, 0.86])
    assert row["seeds"] == [1, 2, 3]
    assert row["interval_over"] == "seeds and reviews"
