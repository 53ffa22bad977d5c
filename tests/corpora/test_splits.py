import itertools
import random

import pytest
from corpora_helpers import reviews, texts_of, write_jsonl

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import corpus_available, load_again, load_corpus, read_once
from slmbench.records.predictions import hash_rows


@pytest.fixture
def path(tmp_path):
    return write_jsonl(tmp_path / "reviews.jsonl", reviews(600))


def test_every_review_is_on_one_side_and_sizes_add_up(path):
    corpus = load_corpus(path)
    sides = [texts_of(side) for side in (corpus.train, corpus.validation, corpus.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 600
    assert corpus.train_pool == len(corpus.train) + len(corpus.validation)
    assert corpus.test_pool == len(corpus.test)
    assert 60 <= len(corpus.test) <= 120  # 15 % of 600, give or take what hashing gives
    assert corpus.label_names == ["negative", "positive"]


def test_sizes_count_validation_as_training(path):
    corpus = load_corpus(path, train_size=200, test_size=50)
    assert (len(corpus.train), len(corpus.validation), len(corpus.test)) == (180, 20, 50)
    corpus = load_corpus(path, train_size=200, test_size=50, validation_fraction=0)
    assert (len(corpus.train), len(corpus.validation)) == (200, 0)


def test_same_reviews_whatever_the_order_of_the_file(tmp_path, path):
    rows = reviews(600)
    random.Random(1).shuffle(rows)
    shuffled = load_corpus(write_jsonl(tmp_path / "shuffled.jsonl", rows), train_size=100, test_size=40)
    corpus = load_corpus(path, train_size=100, test_size=40)
    for side in ("train", "validation", "test"):
        assert getattr(shuffled, side) == getattr(corpus, side)


def test_review_keeps_its_side_when_the_corpus_grows(tmp_path, path):
    small = load_corpus(path)
    large = load_corpus(write_jsonl(tmp_path / "more.jsonl", reviews(900)))
    assert texts_of(small.test) < texts_of(large.test)
    assert not texts_of(small.test) & (texts_of(large.train) | texts_of(large.validation))


@pytest.mark.parametrize("labels", [("a", "b"), ("a", "a", "a", "b"), ("a", "b", "b", "c", "c", "c", "d")])
def test_samples_nest_and_keep_the_shares(tmp_path, labels):
    path = write_jsonl(tmp_path / "reviews.jsonl", reviews(700, labels))
    whole = load_corpus(path, validation_fraction=0)
    shares = [whole.train.labels.count(number) / len(whole.train) for number in range(len(set(labels)))]
    before = set()
    for size in range(40, 140, 3):
        train = load_corpus(path, train_size=size, test_size=20, validation_fraction=0).train
        assert before < texts_of(train)
        before = texts_of(train)
        for number, share in enumerate(shares):
            assert abs(train.labels.count(number) - share * size) <= 1


def test_order_mixes_labels(tmp_path):
    rows = sorted(reviews(600), key=lambda row: row["label"])
    labels = load_corpus(write_jsonl(tmp_path / "sorted.jsonl", rows)).train.labels
    changes = sum(one != other for one, other in itertools.pairwise(labels))
    assert changes > len(labels) / 4


def test_validation_is_stratified(tmp_path):
    path = write_jsonl(tmp_path / "reviews.jsonl", reviews(600, ("a", "a", "a", "b")))
    corpus = load_corpus(path, train_size=200, validation_fraction=0.2)
    assert len(corpus.validation) == 40
    assert abs(corpus.validation.labels.count(1) - 40 * corpus.train.labels.count(1) / 160) <= 1


def test_duplicates_and_conflicts_are_dropped_before_the_split(tmp_path):
    rows = reviews(300)
    rows += [{"text": "  review 0   is long\n", "label": "negative"}] * 2  # white space does not matter
    rows += [{"text": "Review 0 is long", "label": "positive"}]  # case does
    rows += [{"text": rows[1]["text"], "label": "negative"}]  # another label than the first copy
    rows += [{"text": "cafe\u0301", "label": "negative"}, {"text": "caf\u00e9", "label": "negative"}]
    corpus = load_corpus(write_jsonl(tmp_path / "reviews.jsonl", rows))
    assert corpus.duplicates_dropped == 3
    assert corpus.conflicting_dropped == 2
    texts = texts_of(corpus.train) | texts_of(corpus.validation) | texts_of(corpus.test)
    assert "Review 0 is long" in texts
    assert rows[1]["text"] not in texts
    assert len(texts) == 300 - 1 + 1 + 1


def test_row_ids_hold_text_and_label(tmp_path):
    one = load_corpus(write_jsonl(tmp_path / "one.jsonl", reviews(300)))
    other = load_corpus(write_jsonl(tmp_path / "other.jsonl", reviews(300, ("positive", "negative"))))
    assert texts_of(one.test) == texts_of(other.test)
    assert hash_rows(one.test.row_ids) != hash_rows(other.test.row_ids)
    digits, label = one.test.row_ids[0].split(":")
    assert len(digits) == 16
    assert label == one.label_names[one.test.labels[0]]


def test_identity_says_which_reviews(path):
    corpus = load_corpus(path, train_size=100, test_size=40)
    identity = corpus.identity()
    assert (identity.train_reviews, identity.validation_reviews, identity.test_reviews) == (90, 10, 40)
    assert identity.name == "reviews.jsonl"
    assert identity.test_hash == hash_rows(corpus.test.row_ids)
    assert identity.train_hash == hash_rows(corpus.train.row_ids + corpus.validation.row_ids)
    assert sum(identity.label_balance["train"].values()) == 90
    assert set(identity.label_balance) == {"train", "validation", "test"}
    assert 4 <= identity.words.p5 <= identity.words.p50 <= identity.words.p95 <= identity.words.max == 10
    assert load_corpus(path, train_size=100, test_size=40, validation_fraction=0).identity().train_hash == (
        identity.train_hash
    )


def test_test_rows_are_found_again_and_checked(tmp_path, path, monkeypatch):
    identity = load_corpus(path, train_size=100, test_size=40).identity()
    monkeypatch.chdir(tmp_path)
    assert corpus_available(identity.options)
    assert hash_rows(load_again(identity.options, identity.test_hash).test.row_ids) == identity.test_hash
    write_jsonl(tmp_path / "reviews.jsonl", reviews(500, start=100))
    with pytest.raises(SlmbenchError, match="not those of the record any more"):
        load_again(identity.options, identity.test_hash)
    (tmp_path / "reviews.jsonl").unlink()
    assert not corpus_available(identity.options)
    assert not corpus_available({"name_or_path": "owner/dataset"})


def test_path_in_the_options_is_absolute(tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = load_corpus("reviews.jsonl").options
    monkeypatch.chdir("/")
    assert len(load_again(options).test) > 0


def test_more_than_there_are(path):
    there = load_corpus(path)
    with pytest.raises(UsageError, match=f"has {there.train_pool} different training reviews, fewer than the 9,999"):
        load_corpus(path, train_size=9999)
    with pytest.raises(UsageError, match=f"has {there.test_pool} different test reviews"):
        load_corpus(path, test_size=601)


@pytest.mark.parametrize(
    "options",
    [{"train_size": 0}, {"test_size": -1}, {"validation_fraction": 1.0}, {"validation_fraction": -0.1}],
)
def test_impossible_sizes(path, options):
    with pytest.raises(UsageError):
        load_corpus(path, **options)


def test_too_few_to_learn_from(tmp_path, path):
    with pytest.raises(SlmbenchError, match="is labelled '.*', so it cannot be learned"):
        load_corpus(path, train_size=1)
    assert any("a single training review is labelled" in note for note in load_corpus(path, train_size=3).notes)
    with pytest.raises(SlmbenchError, match="too few"):
        load_corpus(write_jsonl(tmp_path / "tiny.jsonl", reviews(2)))


def test_separate_test_corpus_is_not_split(tmp_path):
    train = write_jsonl(tmp_path / "train.jsonl", reviews(100))
    test = write_jsonl(tmp_path / "test.jsonl", reviews(30, start=100))
    corpus = load_corpus(train, test_corpus=test)
    assert (corpus.train_pool, corpus.test_pool) == (100, 30)
    assert any("test.jsonl" in note for note in corpus.notes)
    identity = corpus.identity()
    assert hash_rows(load_again(identity.options, identity.test_hash).test.row_ids) == identity.test_hash


def test_overlap_is_an_error_with_row_numbers(tmp_path):
    train = write_jsonl(tmp_path / "train.jsonl", reviews(100))
    test = write_jsonl(tmp_path / "test.jsonl", reviews(30, start=98))
    with pytest.raises(SlmbenchError, match=r"2 reviews of train.jsonl are in both .*test rows 1, 2\)"):
        load_corpus(train, test_corpus=test)
    corpus = load_corpus(train, test_corpus=test, skip_bad_rows=True)
    assert (corpus.train_pool, corpus.test_pool, corpus.skipped_rows) == (98, 30, 2)


def test_test_corpus_with_another_label(tmp_path):
    train = write_jsonl(tmp_path / "train.jsonl", reviews(100))
    test = write_jsonl(tmp_path / "test.jsonl", reviews(30, ("negative", "mixed"), start=100))
    with pytest.raises(SlmbenchError, match=r"test.jsonl: row 2: unknown label 'mixed'; .*negative, positive"):
        load_corpus(train, test_corpus=test)


def test_a_command_reads_a_corpus_once(path):
    corpus = load_corpus(path, train_size=60, test_size=30)
    assert load_again(corpus.options) == corpus and load_again(corpus.options) is not corpus
    with read_once():
        first = load_corpus(path, train_size=60, test_size=30)
        with read_once():
            assert load_again(first.options, first.identity().test_hash) is first
        assert load_again({**first.options, "test_size": 20}) is not first
        with pytest.raises(SlmbenchError, match="not those of the record"):
            load_again(first.options, "another")
    assert load_again(first.options) is not first
