"""Reviews without their labels: streamed, sampled by their hashes, the test side left out."""

import json
import random

import numpy as np
import pytest
from corpora_helpers import reviews, write_csv, write_jsonl

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus, sample_texts, stream_texts


def texts_of(stream):
    return [text.text for text in stream]


@pytest.fixture
def path(tmp_path):
    return write_jsonl(tmp_path / "reviews.jsonl", reviews(600))


def test_a_corpus_needs_no_labels(tmp_path):
    wanted = [row["text"] for row in reviews(20)]
    only_texts = write_csv(tmp_path / "a.csv", [{"verdict in words": text} for text in wanted])
    assert texts_of(stream_texts(only_texts)) == wanted
    guessed = write_jsonl(tmp_path / "b.jsonl", [{"id": n, "review": text} for n, text in enumerate(wanted)])
    assert texts_of(stream_texts(guessed)) == wanted
    assert texts_of(stream_texts(guessed, text_column="review")) == wanted


def test_amazon_bodies_come_before_titles(tmp_path):
    rows = [{"overall": 3.0, "summary": f"title {n}", "reviewText": f"body {n}"} for n in range(5)]
    path = write_jsonl(tmp_path / "amazon.jsonl", rows)
    assert texts_of(stream_texts(path))[0] == "body 0"
    assert texts_of(stream_texts(path, text_column="summary"))[0] == "title 0"


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "no column looks like the text"), ({"text_column": "title"}, "has no column 'title'; .*id, words")],
)
def test_no_column_of_texts(tmp_path, options, words):
    path = write_jsonl(tmp_path / "r.jsonl", [{"id": 1, "words": "good"}])
    with pytest.raises(UsageError, match=words):
        next(stream_texts(path, **options))


def test_rows_are_read_when_they_are_asked_for(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", [*reviews(300), {"text": "  "}])
    stream = stream_texts(path)
    assert next(stream).text == reviews(1)[0]["text"]
    with pytest.raises(SlmbenchError, match=r"row 301: the text is empty; correct it, or pass --skip-bad-rows"):
        list(stream)
    assert len(list(stream_texts(path, skip_bad_rows=True))) == 300
    assert sample_texts(path, skip_bad_rows=True).skipped == 1


def test_several_files_are_one_corpus(tmp_path):
    for number in range(3):
        write_jsonl(tmp_path / f"part{number}.jsonl", reviews(40, start=40 * number))
    stream = texts_of(stream_texts(str(tmp_path / "part*.jsonl")))
    assert stream == [row["text"] for row in reviews(120)]
    sample = sample_texts(str(tmp_path / "part*.jsonl"), size=30)
    assert len(set(sample)) == 30
    assert sample.source.startswith("3 files")


def test_there_is_no_such_file():
    with pytest.raises(UsageError, match="there is no file missing.csv"):
        next(stream_texts("missing.csv"))


def test_the_test_side_is_that_of_fine_tuning(path):
    corpus = load_corpus(path, train_size="all", test_size="all")
    stream = list(stream_texts(path))
    assert {text.text for text in stream if text.for_test} == set(corpus.test.texts)
    sample = sample_texts(path, size="all")
    seen = set(sample) | {text for _, text in sample.measured}
    assert seen == set(corpus.train.texts + corpus.validation.texts)
    assert sample.left_out == len(corpus.test)


def test_a_dataset_with_a_test_part_keeps_it(monkeypatch):
    datasets = pytest.importorskip("datasets")
    parts = {
        "train": datasets.Dataset.from_list(reviews(200)),
        "test": datasets.Dataset.from_list(reviews(40, start=190)),
    }
    monkeypatch.setattr("slmbench.corpora.hub.load_parts", lambda name, progress: parts)
    stream = list(stream_texts("owner/name"))
    assert [text.for_test for text in stream] == [False] * 190 + [True] * 10
    sample = sample_texts("owner/name", size="all")
    assert (len(sample), len(sample.measured), sample.left_out) == (171, 19, 10)
    assert sample.source == "hub dataset owner/name"


def test_samples_nest_and_spare_the_measured_reviews(path):
    samples = [sample_texts(path, size=size) for size in (50, 200, "all")]
    small, large, whole = (set(sample) for sample in samples)
    assert (len(small), len(large)) == (50, 200)
    assert small < large < whole
    assert len({sample.measured_hash() for sample in samples}) == 1
    assert len({sample.texts_hash() for sample in samples}) == 3
    measured = {text for _, text in samples[0].measured}
    assert len(measured) == len(samples[0].measured) == samples[0].pool // 10
    assert not measured & whole
    assert len(whole) + len(measured) == samples[0].pool


def test_the_same_sample_whatever_the_order_of_the_file(tmp_path, path):
    rows = reviews(600)
    random.Random(1).shuffle(rows)
    shuffled = sample_texts(write_jsonl(tmp_path / "shuffled.jsonl", rows), size=100)
    sample = sample_texts(path, size=100)
    assert set(shuffled) == set(sample)
    assert list(shuffled) != list(sample)
    assert shuffled.measured == sample.measured
    assert shuffled.texts_hash() == sample.texts_hash()


def test_copies_are_read_once(tmp_path):
    rows = reviews(300)
    copied = write_jsonl(tmp_path / "r.jsonl", [*rows, *({**row, "text": f" {row['text']}\n"} for row in rows)])
    sample = sample_texts(copied, size="all")
    texts = list(sample)
    assert len(texts) == len(set(texts)) == len(sample)
    assert sample.copies == sample.pool
    assert list(sample) == texts  # and again on every pass


def test_only_so_many_texts_are_kept(tmp_path):
    sample = sample_texts(write_jsonl(tmp_path / "r.jsonl", reviews(4000)))
    assert len(sample.measured) == 200
    assert len(sample) == sample.pool - 200  # fewer than the default of 5,000
    assert sample.keys.dtype == np.uint64
    assert (np.diff(sample.keys.astype(float)) > 0).all()
    # The largest keys are measured on.
    assert min(key for key, _ in sample.measured) > int(sample.keys[-1])


@pytest.mark.parametrize("size", [0, 10_000])
def test_more_than_there_are(path, size):
    most = len(sample_texts(path, size="all"))
    with pytest.raises(UsageError, match=rf"has {most} different reviews to learn from, .*ask for 1 to {most} of"):
        sample_texts(path, size=size)


def test_too_few_to_measure_on(tmp_path):
    with pytest.raises(SlmbenchError, match="too few to learn from"):
        sample_texts(write_jsonl(tmp_path / "r.jsonl", reviews(9)))


def test_a_sample_can_be_read_from_any_folder(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    sample = sample_texts("reviews.jsonl", size=20)
    before = list(sample)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert list(sample) == before
    assert json.dumps(sample.options)
