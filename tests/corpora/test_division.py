"""Groups on one side, the future tested on, other shares, folds."""

import json

import numpy as np
import pytest
from corpora_helpers import reviews, texts_of, write_csv, write_jsonl
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_again, load_corpus


def grouped(count=600, groups=60):
    return [{**row, "author": f"author {number % groups}"} for number, row in enumerate(reviews(count))]


def dated(count=600, date=lambda number: f"20{10 + number % 12}-03-0{1 + number % 9}"):
    return [{**row, "date": date(number)} for number, row in enumerate(reviews(count))]


def values_of(rows, column, *splits):
    texts = set().union(*(texts_of(split) for split in splits))
    return {row[column] for row in rows if row["text"] in texts}


def test_a_group_stays_on_one_side_also_of_validation(tmp_path):
    rows = grouped()
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows), group_column="author")
    sides = [values_of(rows, "author", side) for side in (corpus.train, corpus.validation, corpus.test)]
    assert all(sides)
    assert sum(map(len, sides)) == 60
    assert sum(len(side) for side in (corpus.train, corpus.validation, corpus.test)) == 600
    assert len(corpus.validation) >= 50
    assert corpus.columns["group"] == "author"
    again = load_again(corpus.options, corpus.identity().test_hash)
    assert again.train == corpus.train
    assert again.options == corpus.options
    assert corpus.options["group_column"] == "author"


def test_without_the_option_groups_are_on_both_sides_and_the_options_are_as_before(tmp_path):
    rows = grouped()
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows))
    assert values_of(rows, "author", corpus.train) & values_of(rows, "author", corpus.test)
    assert not {"group_column", "time_column", "test_share", "folds", "fold"} & corpus.options.keys()
    assert set(corpus.columns) == {"text", "label"}


def test_rows_without_a_group_are_groups_of_their_own(tmp_path):
    rows = [{**row, "author": "" if number % 2 else "one"} for number, row in enumerate(reviews(400))]
    corpus = load_corpus(write_csv(tmp_path / "r.csv", rows), group_column="author", validation_fraction=0)
    tested = [row for row in rows if row["text"] in texts_of(corpus.test)]
    # The group "one" is whole on one side; the 200 others are divided.
    assert sum(row["author"] == "one" for row in tested) in (0, 200)
    assert 10 <= sum(row["author"] == "" for row in tested) <= 60


def test_a_group_is_moved_whole_where_a_label_would_be_missing(tmp_path):
    rows = [{**row, "author": f"{row['label']} {number % 3}"} for number, row in enumerate(reviews(60, ("a", "b")))]
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows), group_column="author", validation_fraction=0)
    assert not values_of(rows, "author", corpus.train) & values_of(rows, "author", corpus.test)
    assert set(corpus.test.labels) == {0, 1} == set(corpus.train.labels)


@pytest.mark.parametrize(
    "date",
    [
        lambda number: f"20{10 + number % 12}-03-01",
        lambda number: 2010 + number % 12,
        lambda number: 1_270_000_000 + (number % 12) * 31_000_000,
        lambda number: (1_270_000_000 + (number % 12) * 31_000_000) * 1000,
        lambda number: f"20{10 + number % 12}-03-01T12:00:00Z",
        lambda number: f"{1880 + number % 12}-01-01",
    ],
)
def test_the_future_is_tested_and_ties_stay_together(tmp_path, date):
    rows = dated(date=date)
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows), time_column="date")
    past = values_of(rows, "date", corpus.train, corpus.validation)
    future = values_of(rows, "date", corpus.test)
    assert max(past) < min(future)
    # 50 reviews a year: two years are 16.7 %, nearer to 15 % than one.
    assert len(future) == 2
    assert len(corpus.test) == 100
    assert load_again(corpus.options).test == corpus.test


def test_share_of_the_future(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", dated(date=lambda number: 2010 + number % 12))
    assert len(load_corpus(path, time_column="date", test_share=0.5).test) == 300


def test_a_label_of_the_past_only_is_noted_and_nothing_is_moved(tmp_path):
    rows = [
        {**row, "date": str(2000 + number // 100), "label": "old" if number < 100 else row["label"]}
        for number, row in enumerate(reviews(600))
    ]
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows), time_column="date")
    assert values_of(rows, "date", corpus.test) == {"2005"}
    assert any("'old'" in note for note in corpus.notes)


@pytest.mark.parametrize("bad", ["yesterday", None, True, ""])
def test_what_is_not_a_time_is_a_bad_row(tmp_path, bad):
    rows = dated()
    rows[7]["date"] = bad
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    with pytest.raises(SlmbenchError, match="row 8"):
        load_corpus(path, time_column="date")
    assert load_corpus(path, time_column="date", skip_bad_rows=True).skipped_rows == 1


def test_one_time_or_one_group_cannot_be_divided(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", [{**row, "date": 2020, "author": "me"} for row in reviews(100)])
    for options in ({"time_column": "date"}, {"group_column": "author"}):
        with pytest.raises(SlmbenchError, match=next(iter(options.values()))):
            load_corpus(path, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"group_column": "author", "time_column": "date"},
        {"group_column": "nobody"},
        {"test_share": 0.0},
        {"test_share": 1.0},
        {"folds": 1, "fold": 1},
        {"folds": 5, "fold": 6},
        {"folds": 5},
        {"folds": 5, "fold": 1, "test_share": 0.3},
        {"folds": 5, "fold": 1, "time_column": "date"},
    ],
)
def test_contradictions_are_refused(tmp_path, options):
    rows = [{**row, "date": 2000 + number, "author": number} for number, row in enumerate(reviews(100))]
    with pytest.raises(UsageError):
        load_corpus(write_jsonl(tmp_path / "r.jsonl", rows), **options)


def test_given_test_rows_leave_nothing_to_divide(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", grouped())
    other = write_jsonl(tmp_path / "t.jsonl", reviews(100, start=1000))
    for options in ({"group_column": "author"}, {"test_share": 0.3}):
        with pytest.raises(UsageError, match=next(iter(options)).replace("_", "-")):
            load_corpus(path, test_corpus=other, **options)


def test_a_larger_share_holds_out_more_and_the_same_reviews(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", reviews(600))
    usual, larger = load_corpus(path), load_corpus(path, test_share=0.3)
    assert texts_of(usual.test) < texts_of(larger.test)
    assert 140 <= len(larger.test) <= 220


def test_every_review_is_tested_in_one_fold_and_folds_have_the_shares_of_the_labels(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", reviews(103, ("a", "a", "a", "b")))
    folds = [load_corpus(path, folds=5, fold=fold) for fold in range(1, 6)]
    assert sum(len(one.test) for one in folds) == 103 == len(set().union(*(texts_of(one.test) for one in folds)))
    assert {len(one.test) for one in folds} == {20, 21}
    assert {one.test.labels.count(1) for one in folds} == {5}
    for one in folds:
        assert not texts_of(one.test) & (texts_of(one.train) | texts_of(one.validation))
        assert len(one.train) + len(one.validation) + len(one.test) == 103


def test_folds_keep_groups(tmp_path):
    rows = grouped(120, 12)
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    tested = [
        values_of(rows, "author", load_corpus(path, folds=4, fold=fold, group_column="author").test)
        for fold in range(1, 5)
    ]
    assert [len(groups) for groups in tested] == [3, 3, 3, 3]
    assert len(set().union(*tested)) == 12


def test_a_small_test_side_names_the_options(tmp_path):
    small = load_corpus(write_jsonl(tmp_path / "s.jsonl", reviews(14)))
    (note,) = [note for note in small.notes if "--test-share 0.3" in note and "--folds 5" in note]
    assert str(len(small.test)) in note
    large = load_corpus(write_jsonl(tmp_path / "l.jsonl", reviews(900)))
    assert not any("--folds" in note for note in large.notes)
    again = load_corpus(write_jsonl(tmp_path / "s.jsonl", reviews(14)), test_share=0.3)
    assert not any("--test-share" in note for note in again.notes)


def test_unlabelled_rows_of_tested_groups_and_times_are_left_out(tmp_path):
    rows = grouped(600, 60) + [
        {"text": f"without a label {number}", "label": None, "author": f"author {number % 60}"}
        for number in range(120)
    ]
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    corpus = load_corpus(path, group_column="author", unlabelled_size="all", train_size="all")
    tested = values_of(rows, "author", corpus.test)
    assert corpus.unlabelled
    assert not tested & {row["author"] for row in rows if row["text"] in set(corpus.unlabelled)}
    assert len(corpus.unlabelled) == 120 - 2 * len(tested)


def test_sides_of_groups_do_not_depend_on_the_order_of_the_file(tmp_path):
    rows = grouped()
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    order = np.random.default_rng(1).permutation(len(rows))
    other = write_jsonl(tmp_path / "o.jsonl", [rows[place] for place in order])
    one, two = (load_corpus(file, group_column="author") for file in (path, other))
    assert one.test == two.test
    assert one.validation == two.validation


@pytest.mark.parametrize("columns", [("--group-column", "author"), ("--time-column", "date")])
def test_the_command_line_records_the_column(tmp_path, monkeypatch, columns):
    monkeypatch.chdir(tmp_path)
    rows = [{**row, "date": 2000 + number % 20} for number, row in enumerate(grouped(240, 24))]
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    arguments = ["finetune", "--method", "tfidf", "--corpus", path, "--test-share", "0.3", *columns, "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    corpus = json.loads(result.stdout)["corpus"]
    option, column = columns[0].removeprefix("--").replace("-", "_"), columns[1]
    assert (corpus["options"][option], corpus["options"]["test_share"]) == (column, 0.3)
    assert corpus["columns"][option.removesuffix("_column")] == column
    assert load_again(corpus["options"], corpus["test_hash"]).columns[option.removesuffix("_column")] == column


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_an_impossible_share_is_bad_usage(tmp_path, share):
    path = write_jsonl(tmp_path / "r.jsonl", reviews(60))
    result = CliRunner().invoke(app, ["finetune", "--method", "tfidf", "--corpus", path, "--test-share", share])
    assert result.exit_code == 2
    assert "--test-share" in result.output
