"""A corpus to score a finished classifier on: all of it, in the classifier's labels."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from corpora_helpers import reviews, write_jsonl

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus, load_for_testing, transfer
from slmbench.corpora.row_sets import RowCollector

LABELS = ["negative", "positive"]
KINDS = ("hatespeech", "normal", "offensive")
STAND_FOR = {"hatespeech": "negative", "offensive": "negative", "normal": "positive"}


@pytest.fixture
def posts(tmp_path):
    return write_jsonl(tmp_path / "posts.jsonl", reviews(90, KINDS))


def test_three_labels_stand_for_two(posts):
    corpus, left_out = load_for_testing(posts, LABELS, label_map=STAND_FOR)
    assert (len(corpus.train), len(corpus.validation), len(corpus.test)) == (0, 0, 90)
    assert corpus.label_names == LABELS
    assert Counter(corpus.test.labels) == {0: 60, 1: 30}
    assert left_out == 0
    identity = corpus.identity()
    assert (identity.train_reviews, identity.test_reviews) == (0, 90)
    assert identity.label_balance["test"] == {"negative": 60, "positive": 30}
    mapped = dict(zip(corpus.test.texts, corpus.test.labels, strict=True))
    for row in reviews(90, KINDS):
        assert LABELS[mapped[row["text"]]] == STAND_FOR[row["label"]]


def test_labels_that_agree_need_no_map_and_keep_the_classifiers_order(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", reviews(40))
    corpus, _ = load_for_testing(path, ["positive", "neutral", "negative"])
    assert corpus.label_names == ["positive", "neutral", "negative"]
    assert Counter(corpus.test.labels) == {0: 20, 2: 20}


def test_copies_contradict_one_another_only_after_mapping(tmp_path):
    rows = reviews(30, KINDS)
    same = {"text": rows[0]["text"], "label": "offensive"}  # was hatespeech: negative both times
    other = {"text": rows[3]["text"], "label": "normal"}  # was hatespeech
    corpus, _ = load_for_testing(write_jsonl(tmp_path / "r.jsonl", [*rows, same, other]), LABELS, label_map=STAND_FOR)
    assert (corpus.duplicates_dropped, corpus.conflicting_dropped, len(corpus.test)) == (1, 2, 29)


def test_a_sample_is_stratified_and_nests(posts):
    small, large = (load_for_testing(posts, LABELS, label_map=STAND_FOR, test_size=size)[0].test for size in (30, 60))
    assert Counter(small.labels) == {0: 20, 1: 10}
    assert set(small.row_ids) < set(large.row_ids)
    with pytest.raises(UsageError, match=r"posts\.jsonl has 90 different test reviews, fewer than the 91 asked for"):
        load_for_testing(posts, LABELS, label_map=STAND_FOR, test_size=91)


def test_reviews_that_were_trained_on_are_left_out_before_the_sample(posts):
    corpus, _ = load_for_testing(posts, LABELS, label_map=STAND_FOR)
    known = [row_id.partition(":")[0] for row_id in corpus.test.row_ids[:25]]
    rest, left_out = load_for_testing(posts, LABELS, label_map=STAND_FOR, leave_out=known, test_size=65)
    assert left_out == 25
    assert not set(rest.test.row_ids) & set(corpus.test.row_ids[:25])
    everything = [row_id.partition(":")[0] for row_id in corpus.test.row_ids]
    with pytest.raises(SlmbenchError, match=r"all 90 reviews of posts\.jsonl were trained on"):
        load_for_testing(posts, LABELS, label_map=STAND_FOR, leave_out=everything)


def test_a_corpus_of_one_label_can_be_scored(tmp_path):
    corpus, _ = load_for_testing(write_jsonl(tmp_path / "r.jsonl", reviews(20, ("positive",))), LABELS)
    assert Counter(corpus.test.labels) == {1: 20}


def test_a_large_corpus_is_not_read_to_its_end_before_a_strange_label_is_refused(tmp_path, monkeypatch):
    rows = [{"text": f"text {number}", "label": "nice" if number == 3 else "negative"} for number in range(5000)]
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    read = []
    add = RowCollector.add
    monkeypatch.setattr(RowCollector, "add", lambda self, row: (read.append(row), add(self, row))[1])
    with pytest.raises(UsageError, match="labelled 'nice'"):
        load_for_testing(path, LABELS)
    assert len(read) < 2000
    read.clear()
    with pytest.raises(UsageError, match="no label 'negativ'; did you mean 'negative'"):
        load_for_testing(path, LABELS, label_map={"nice": "negativ"})
    assert read == []


def test_several_labels_in_one_field_are_called_so_in_tested_corpora_too(tmp_path):
    both = write_jsonl(tmp_path / "r.jsonl", [*reviews(30), {"text": "a text", "label": "negative|positive"}])
    with pytest.raises(UsageError, match=r"'label' holds several labels in one field \('negative\|positive'\)"):
        load_for_testing(both, LABELS)
    train = write_jsonl(tmp_path / "t.jsonl", reviews(60))
    with pytest.raises(SlmbenchError, match=r"several labels in one field \('negative\|positive'\)"):
        load_corpus(train, test_corpus=both)


@pytest.mark.parametrize(
    ("label_map", "says"),
    [
        ({}, r"posts\.jsonl has reviews labelled 'hatespeech', which is no label of the classifier \(negative, posi"),
        ({"hatespeech": "negative", "offensive": "negative"}, r"labelled 'normal', .*--label-map 'normal=LABEL'"),
        ({**STAND_FOR, "normal": "nice"}, r"normal=nice: the classifier has no label 'nice'; it knows: negative, po"),
        ({**STAND_FOR, "rude": "negative"}, r"no review of posts\.jsonl is labelled 'rude'; its labels are: hatesp"),
    ],
)
def test_labels_that_do_not_fit_are_named(posts, label_map, says):
    with pytest.raises(UsageError, match=says):
        load_for_testing(posts, LABELS, label_map=label_map)


def test_starter_corpora_have_their_own_columns():
    with pytest.raises(UsageError, match="rotten-tomatoes has columns of its own"):
        load_for_testing("rotten-tomatoes", LABELS, text_column="body")


def test_three_star_reviews(tmp_path):
    rows = [{"overall": 1 + number % 5, "reviewText": f"body {number}"} for number in range(50)]
    path = write_jsonl(tmp_path / "r.jsonl", rows)
    assert len(load_for_testing(path, LABELS)[0].test) == 40
    assert len(load_for_testing(path, LABELS, stars="negative")[0].test) == 50
    with pytest.raises(UsageError, match="labelled 'neutral', which is no label of the classifier"):
        load_for_testing(path, LABELS, stars="neutral")


def test_a_hub_dataset_is_scored_on_its_own_test_part(posts, monkeypatch):
    read = transfer.read_labelled

    def with_test_part(name, *arguments, **named):
        source = read(name, *arguments, **named)
        return replace(source, test_rows=source.rows.take(np.arange(12)), rows=source.rows.take(np.arange(12, 90)))

    monkeypatch.setattr("slmbench.corpora.transfer.read_labelled", with_test_part)
    corpus, _ = load_for_testing(posts, LABELS, label_map=STAND_FOR)
    assert len(corpus.test) == 12
    assert "its own test part" in corpus.notes
