"""What is a class and what is not: scales, texts, lists of labels, rows without one; and rare labels in a split."""

from collections import Counter
from itertools import pairwise

import pytest
from corpora_helpers import reviews, texts_of, write_csv, write_jsonl
from listener import Listener

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_again, load_corpus, load_for_testing
from slmbench.corpora.splitting import draw


def scores(count):
    return [{"text": f"review {n}", "score": round(5 * (n * 37 % count) / count, 3)} for n in range(count)]


def test_scores_are_a_scale_and_not_classes(tmp_path):
    path = write_csv(tmp_path / "r.csv", scores(200))
    with pytest.raises(UsageError, match=r"'score' is a scale, not classes: 200 different numbers .*--bins"):
        load_corpus(path)


def test_scores_are_cut_into_classes(tmp_path):
    path = write_csv(tmp_path / "r.csv", scores(400))
    corpus = load_corpus(path, bins=[1, 2.5])
    assert corpus.label_names == ["below 1", "1 to 2.5", "2.5 and above"]
    named = {row["text"]: row["score"] for row in scores(400)}
    for text, label in zip(corpus.train.texts, corpus.train.labels, strict=True):
        assert label == (named[text] >= 1) + (named[text] >= 2.5)
    assert corpus.options["bins"] == [1, 2.5]
    assert load_again(corpus.options, corpus.identity().test_hash).test == corpus.test
    testing, _ = load_for_testing(path, corpus.label_names, bins=[1, 2.5])
    assert len(testing.test) == 400
    for bins in ([], [2, 1], [1, 1], [float("nan")]):
        with pytest.raises(UsageError, match="--bins has to be ascending"):
            load_corpus(path, bins=bins)


def test_words_cannot_be_cut(tmp_path):
    with pytest.raises(SlmbenchError, match=r"row 1: .*'negative'.*--bins"):
        load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(40)), bins=[1])


@pytest.mark.parametrize("steps", [[0, 1, 2, 3, 4], [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5], list(range(77))])
def test_stars_and_numbered_classes_are_no_scale(tmp_path, steps):
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(40 * len(steps), steps)), train_size="all")
    assert len(corpus.label_names) == len(steps)


def test_a_column_of_texts_is_no_label_column(tmp_path):
    rows = [{"text": f"review {n}", "title": f"title {n}", "label": n % 2} for n in range(600)]
    path = write_csv(tmp_path / "r.csv", rows)
    with pytest.raises(UsageError, match=r"'title' is not a label column: 600 different values .*columns are: label"):
        load_corpus(path, label_column="title")


def test_a_column_of_numbers_that_are_names_is_no_label_column(tmp_path):
    rows = [{"text": f"review {n}", "id": n, "label": n % 2} for n in range(600)]
    with pytest.raises(UsageError, match="600 different numbers"):
        load_corpus(write_csv(tmp_path / "r.csv", rows), label_column="id")


def test_many_classes_of_few_rows_are_classes(tmp_path):
    labels = [f"intent {n}" for n in range(150)]
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(1500, labels)), train_size="all", test_size="all")
    assert len(corpus.label_names) == 150


@pytest.mark.parametrize(
    "labels",
    [
        (["joy"], ["anger", "fear"]),
        ("['joy']", "['anger', 'fear']", "[]"),
        ("joy", "anger", "joy|anger", "anger|joy"),
        ("joy", "anger", "fear", "joy, fear", "anger, fear"),
    ],
)
def test_several_labels_a_text_are_recognised(tmp_path, labels):
    with pytest.raises(UsageError, match="one label a text"):
        load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(60, labels)))


def test_a_comma_in_a_label_is_not_two_labels(tmp_path):
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(60, ("home, garden", "books"))))
    assert corpus.label_names == ["books", "home, garden"]


@pytest.mark.parametrize("values", [(0, 1), (False, True)])
def test_a_column_for_each_label_is_recognised(tmp_path, values):
    rows = [{"text": f"review {n}", "joy": values[n % 2], "anger": values[n % 3 == 0]} for n in range(60)]
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    with pytest.raises(UsageError, match=r"several labels a text, one in each of the columns joy and anger"):
        load_corpus(path)
    assert len(load_corpus(path, label_column="joy").label_names) == 2


def test_lists_of_classes_in_a_dataset_are_recognised(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.Sequence(datasets.ClassLabel(names=["a", "b"]))}
    )
    rows = [{"text": f"review {n}", "label": [n % 2]} for n in range(60)]
    path = tmp_path / "r.parquet"
    datasets.Dataset.from_list(rows, features=features).to_parquet(path)
    with pytest.raises(UsageError, match="one label a text"):
        load_corpus(str(path))


MISSING = ["", " ", "NaN", None]


@pytest.mark.parametrize("missing", MISSING)
def test_rows_without_a_label_are_set_aside(tmp_path, missing):
    rows = reviews(200)
    blank = [row | {"label": missing} for row in reviews(30, start=200)]
    listener = Listener()
    path = write_jsonl(tmp_path / "r.jsonl", [*rows, *blank])
    corpus = load_corpus(path, train_size="all", test_size="all", progress=listener)
    assert corpus.label_names == ["negative", "positive"]
    assert len(corpus.train) + len(corpus.validation) + len(corpus.test) == 200
    assert corpus.unlabelled == []
    assert any("30 rows without a label" in line for line in listener.said)
    fed = load_corpus(path, unlabelled_size=30)
    assert set(fed.unlabelled) == {row["text"] for row in blank}
    assert load_again(fed.options, fed.identity().test_hash).unlabelled == fed.unlabelled


def test_rows_without_a_label_among_test_rows_are_not_tested_on(tmp_path):
    test = write_jsonl(tmp_path / "t.jsonl", [*reviews(30, start=300), {"text": "no label", "label": None}])
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(100)), test_corpus=test)
    assert len(corpus.test) == 30
    assert len(load_for_testing(test, ["negative", "positive"])[0].test) == 30


def test_no_row_has_a_label(tmp_path):
    with pytest.raises(SlmbenchError, match="no row of r.jsonl has a label: column 'label'"):
        load_corpus(write_jsonl(tmp_path / "r.jsonl", [row | {"label": ""} for row in reviews(20)]))


def test_an_empty_text_is_a_bad_row_with_a_label_and_without(tmp_path):
    rows = [*reviews(60), {"text": " ", "label": None}]
    with pytest.raises(SlmbenchError, match="row 61: the text is empty"):
        load_corpus(write_jsonl(tmp_path / "r.jsonl", rows))


def test_a_corpus_of_texts_feeds_a_teacher(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", reviews(200))
    more = [{"comment": row["text"]} for row in reviews(50, start=180)]  # 20 of them are in the corpus
    other = write_csv(tmp_path / "more.csv", more)
    corpus = load_corpus(path, train_size=50, unlabelled_corpus=other)
    assert set(corpus.unlabelled) == {row["text"] for row in reviews(30, start=200)}
    assert load_again(corpus.options, corpus.identity().test_hash).unlabelled == corpus.unlabelled
    some = load_corpus(path, train_size=50, unlabelled_corpus=other, unlabelled_size=10)
    assert some.unlabelled == corpus.unlabelled[:10]
    beyond = load_corpus(path, train_size=50, unlabelled_corpus=other, unlabelled_size=40)
    assert beyond.unlabelled[:30] == corpus.unlabelled
    assert not set(beyond.unlabelled) & (texts_of(beyond.train) | texts_of(beyond.validation) | texts_of(beyond.test))
    with pytest.raises(UsageError, match="unlabelled"):
        load_corpus(path, unlabelled_corpus=other, unlabelled_size=9999)


def test_title_and_body_are_joined(tmp_path):
    rows = [
        {"title": f"title {n}" if n % 3 else "", "body": f"body {n}", "label": ["bad", "good"][n % 2]}
        for n in range(120)
    ]
    path = write_csv(tmp_path / "r.csv", rows)
    corpus = load_corpus(path, text_column="title, body", train_size="all", test_size="all")
    wanted = {f"title {n}\nbody {n}" if n % 3 else f"body {n}" for n in range(120)}
    assert texts_of(corpus.train) | texts_of(corpus.validation) | texts_of(corpus.test) == wanted
    assert corpus.identity().columns == {"text": "title,body", "label": "label"}
    other = write_csv(tmp_path / "other.csv", rows[:40])
    again, _ = load_for_testing(other, ["bad", "good"], trained_text="title,body")
    assert set(again.test.texts) <= wanted
    with pytest.raises(UsageError, match="no column 'subtitle'"):
        load_corpus(path, text_column="title,subtitle")


def test_a_column_whose_name_has_a_comma(tmp_path):
    path = write_csv(tmp_path / "r.csv", [{"a,b": row["text"], "label": row["label"]} for row in reviews(60)])
    assert load_corpus(path, text_column="a,b").columns["text"] == "a,b"


@pytest.mark.parametrize("count", range(2, 30))
def test_each_label_is_on_both_sides_of_a_split(tmp_path, count):
    rows = [*reviews(count * 2), *({"text": f"rare {n}", "label": "rare"} for n in range(2))]
    listener = Listener()
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows), progress=listener, validation_fraction=0)
    for split in (corpus.train, corpus.test):
        assert len(Counter(split.labels)) == 3
    moved = [note for note in corpus.notes if "was moved to the" in note]
    assert len(moved) <= 3
    assert [line for line in listener.said if "was moved" in line] == [f"r.jsonl: {note}" for note in moved]
    assert load_again(corpus.options, corpus.identity().test_hash).test == corpus.test


def test_a_sample_has_a_seat_for_every_label():
    from slmbench.corpora.row_sets import Origin, RowCollector
    from slmbench.corpora.rows import Review, text_digest

    collector = RowCollector()
    collector.begin(Origin("made up", 0, "", ("text",)))
    for n in range(1000):
        collector.add(Review(n, str(n), "rare" if n % 100 == 0 else "usual", text_digest(str(n))))
    pool = collector.rows()
    samples = [draw(pool, count) for count in (2, 5, 20, 100, 1000)]
    assert all(set(sample.label_counts()) == {"rare", "usual"} for sample in samples)
    assert all(set(small.row_ids()) < set(large.row_ids()) for small, large in pairwise(samples))
    assert samples[3].label_counts() == {"usual": 99, "rare": 1}
