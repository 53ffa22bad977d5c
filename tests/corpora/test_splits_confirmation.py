"""Confirmation rows: held-out reviews beside the test rows, which change nothing of what there was before."""

import pytest
from corpora_helpers import reviews, texts_of, write_jsonl

from slmbench.corpora import load_again, load_corpus, load_for_testing
from slmbench.corpora.rows import text_digest
from slmbench.corpora.sides import MAX_CONFIRMATION, MIN_CONFIRMATION, confirmation_size
from slmbench.corpora.splitting import is_test_side
from slmbench.records.predictions import hash_rows

#: Of 6,000 reviews some 900 are held out.
TESTED = 300


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_jsonl(tmp_path_factory.mktemp("many") / "reviews.jsonl", reviews(6000, ("a", "a", "b")))


@pytest.fixture(scope="module")
def corpus(path):
    return load_corpus(path, train_size=200, test_size=TESTED)


def test_confirmation_rows_are_the_next_ones_drawn(path, corpus):
    held_out = load_corpus(path, train_size=200, test_size="all")
    count = len(held_out.test) - TESTED
    assert MIN_CONFIRMATION <= len(corpus.confirmation) == count
    assert held_out.no_confirmation and not len(held_out.confirmation)
    assert texts_of(corpus.confirmation) == texts_of(held_out.test) - texts_of(corpus.test)
    larger = load_corpus(path, train_size=200, test_size=TESTED + 50)
    assert texts_of(larger.test) - texts_of(corpus.test) < texts_of(corpus.confirmation)
    assert texts_of(larger.confirmation) < texts_of(corpus.confirmation)


def test_every_confirmation_row_is_held_out_and_on_no_other_side(path):
    corpus = load_corpus(path, train_size="all", test_size=TESTED)
    apart = texts_of(corpus.confirmation)
    assert all(is_test_side(text_digest(text)) for text in apart)
    assert not apart & (texts_of(corpus.train) | texts_of(corpus.validation) | texts_of(corpus.test))
    spare = load_corpus(path, train_size=200, test_size=TESTED, unlabelled_size="all")
    assert not apart & set(spare.unlabelled) and texts_of(spare.confirmation) == apart


def test_confirmation_rows_are_stratified(corpus):
    share = corpus.confirmation.labels.count(0) / len(corpus.confirmation)
    assert share == pytest.approx(corpus.test.labels.count(0) / len(corpus.test), abs=0.01)


def test_their_first_ones_have_about_the_same_shares(corpus):
    first = corpus.confirmation.labels[:MIN_CONFIRMATION]
    assert first.count(0) / len(first) == pytest.approx(2 / 3, abs=0.06)


def test_test_rows_and_their_hash_are_those_of_a_corpus_without_confirmation_rows(path, corpus, monkeypatch):
    monkeypatch.setattr("slmbench.corpora.sides.MIN_CONFIRMATION", 10**6)
    before = load_corpus(path, train_size=200, test_size=TESTED)
    assert not len(before.confirmation)
    assert (before.test, before.train, before.validation) == (corpus.test, corpus.train, corpus.validation)
    one, other = before.identity(), corpus.identity()
    assert (one.test_hash, one.words, one.label_balance) == (other.test_hash, other.words, other.label_balance)


def test_identity_has_their_hash_or_why_there_are_none(path, corpus):
    identity = corpus.identity()
    assert identity.confirmation_reviews == len(corpus.confirmation)
    assert identity.confirmation_hash == hash_rows(corpus.confirmation.row_ids)
    assert identity.no_confirmation is None
    assert load_again(identity.options, identity.test_hash).confirmation == corpus.confirmation
    few = load_corpus(path, train_size=200, test_size=len(corpus.test) + len(corpus.confirmation) - 7).identity()
    assert (few.confirmation_reviews, few.confirmation_hash) == (0, None)
    assert "only 7 further reviews" in few.no_confirmation and f"{MIN_CONFIRMATION}" in few.no_confirmation


@pytest.mark.parametrize(
    ("left", "drawn"),
    [(0, 0), (1, 0), (MIN_CONFIRMATION - 1, 0), (MIN_CONFIRMATION, MIN_CONFIRMATION), (9999, MAX_CONFIRMATION)],
)
def test_how_many_are_drawn(left, drawn):
    count, reason = confirmation_size(left)
    assert count == drawn and (reason is None) == (drawn > 0)


def test_another_test_corpus_is_divided_where_it_has_more_than_the_test_size(path, tmp_path):
    other = write_jsonl(tmp_path / "other.jsonl", reviews(900, ("a", "a", "b"), start=10_000))
    corpus = load_corpus(path, train_size=200, test_size=200, test_corpus=other)
    assert len(corpus.test) == 200 and len(corpus.confirmation) == 700
    whole = load_corpus(path, train_size=200, test_size="all", test_corpus=other)
    assert texts_of(whole.test) == texts_of(corpus.test) | texts_of(corpus.confirmation)
    assert "no further review" in whole.no_confirmation


def test_groups_of_test_rows_confirm_nothing(tmp_path):
    rows = [{**row, "author": f"author {number // 2}"} for number, row in enumerate(reviews(9000, ("a", "b")))]
    authors = {row["text"]: row["author"] for row in rows}
    path = write_jsonl(tmp_path / "groups.jsonl", rows)
    corpus = load_corpus(path, train_size=200, test_size=300, group_column="author")
    tested, confirming = ({authors[text] for text in texts_of(side)} for side in (corpus.test, corpus.confirmation))
    assert len(corpus.confirmation) >= MIN_CONFIRMATION and not tested & confirming
    assert not confirming & {authors[text] for text in texts_of(corpus.train)}


def test_folds_have_none(path):
    corpus = load_corpus(path, train_size=200, test_size=TESTED, folds=3, fold=1)
    assert not len(corpus.confirmation) and "fold" in corpus.no_confirmation


def test_rows_set_aside_are_not_evaluated_on(path, corpus):
    aside = {row_id.partition(":")[0] for row_id in corpus.confirmation.row_ids}
    tested, left_out = load_for_testing(path, ["a", "b"], set_aside=aside)
    assert not texts_of(tested.test) & texts_of(corpus.confirmation)
    assert (len(tested.test), left_out) == (6000 - len(aside), 0)
    assert any(f"{len(aside)} reviews left out" in note for note in tested.notes)
