"""Test reviews that are almost the same as a training review."""

import random
import time

import pytest
from corpora_helpers import write_jsonl

from slmbench.corpora import load_again, load_corpus
from slmbench.corpora.near_duplicates import find_near_duplicates, near_duplicates_note, resemblance

pytest.importorskip("datasketch")


def texts(count, words=120, seed=1):
    draw = random.Random(seed)
    vocabulary = [f"word{number}" for number in range(3000)]
    return [" ".join(draw.choices(vocabulary, k=words)) for _ in range(count)]


def changed(text, places):
    words = text.split()
    for place in places:
        words[place] = "different"
    return " ".join(words)


def corpus_of(tmp_path, test, train):
    rows = {
        name: [{"text": text, "label": "ab"[number % 2]} for number, text in enumerate(own)]
        for name, own in (("train", train), ("test", test))
    }
    files = {name: write_jsonl(tmp_path / f"{name}.jsonl", own) for name, own in rows.items()}
    return load_corpus(files["train"], test_corpus=files["test"], train_size="all", test_size="all")


def test_resemblance_is_the_share_of_common_runs_of_five_words():
    one = "a b c d e f g"  # three runs
    assert resemblance(one, "A, b c d e F!") == pytest.approx(2 / 3)
    assert resemblance(one, one) == 1
    assert resemblance("short", "Short.") == 1
    assert resemblance("one two", "one three") == 0
    assert resemblance("", "...") == 1


def test_near_duplicates_are_counted_and_others_are_not(tmp_path):
    train = texts(300)
    # 116 runs. One changed word at the end takes 1 of them (115/117), two in the middle 10 (106/126 = 0.84), four in
    # the middle 20 (96/136 = 0.71).
    near = [changed(text, [119]) for text in train[:5]] + [changed(text, [30, 60]) for text in train[5:10]]
    far = [changed(text, [20, 40, 60, 80]) for text in train[10:20]]
    corpus = corpus_of(tmp_path, near + far + texts(80, seed=2), train)
    found = find_near_duplicates(corpus)
    assert (found.found, found.test_reviews) == (10, 100)
    assert found.share == 0.1
    by_id = dict(zip(corpus.test.row_ids, corpus.test.texts, strict=True))
    assert {by_id[pair.test] for pair in found.closest} == set(near)
    ids = dict(
        zip(
            corpus.train.row_ids + corpus.validation.row_ids,
            corpus.train.texts + corpus.validation.texts,
            strict=True,
        )
    )
    for pair in found.closest:
        assert resemblance(by_id[pair.test], ids[pair.training]) == pytest.approx(pair.resemblance, abs=1e-4)
    note = near_duplicates_note(found)
    assert "10 of 100" in note and "--group-column" in note


def test_few_are_kept_and_not_said(tmp_path):
    train = texts(200)
    corpus = corpus_of(tmp_path, [changed(train[0], [3]), *texts(150, seed=2)], train)
    found = find_near_duplicates(corpus)
    assert found.found == 1
    assert near_duplicates_note(found) is None
    assert near_duplicates_note(None) is None


def test_random_texts_have_none_and_many_are_searched_quickly(tmp_path):
    corpus = corpus_of(tmp_path, texts(500, seed=5), texts(2000, seed=6))
    began = time.process_time()
    found = find_near_duplicates(corpus)
    # 25,000 reviews take ten times as long, and shall take less than a minute.
    assert time.process_time() - began < 6
    assert found.found == 0
    assert found.closest == []


def test_too_many_reviews_are_not_searched(tmp_path, monkeypatch):
    corpus = corpus_of(tmp_path, texts(20, seed=5), texts(40, seed=6))
    monkeypatch.setattr("slmbench.corpora.near_duplicates.MAX_REVIEWS", 59)
    assert find_near_duplicates(corpus) is None
    monkeypatch.setattr("slmbench.corpora.near_duplicates.MAX_REVIEWS", 60)
    assert find_near_duplicates(corpus) is not None


def test_unlabelled_texts_that_are_almost_held_out_ones_are_left_out(tmp_path):
    rows = [{"text": text, "label": "ab"[number % 2]} for number, text in enumerate(texts(4000, words=30))]
    path = write_jsonl(tmp_path / "labelled.jsonl", rows)
    sizes = {"train_size": 60, "test_size": 100}
    plain = load_corpus(path, **sizes)
    assert len(plain.confirmation) >= 400
    new = texts(40, seed=2)
    held_out = [plain.test.texts[0], plain.confirmation.texts[0]]
    near = [changed(text, [29]) for text in held_out]  # 25 of 27 runs are common
    far = [changed(text, [10, 20]) for text in held_out]
    more = write_jsonl(tmp_path / "more.jsonl", [{"body": text} for text in new + held_out + near + far])
    corpus = load_corpus(path, **sizes, unlabelled_corpus=more)
    assert set(corpus.unlabelled) == {*new, *far}
    assert len(corpus.unlabelled_ids) == 42
    assert any("2 of 44 unlabelled texts left out" in note for note in corpus.notes)
    assert load_again(corpus.options, corpus.identity().test_hash).unlabelled_ids == corpus.unlabelled_ids
    # Reviews of the training pool are those that there were before.
    beyond = load_corpus(path, **sizes, unlabelled_corpus=more, unlabelled_size=50)
    assert beyond.unlabelled[:42] == corpus.unlabelled
    assert set(beyond.unlabelled[42:]) <= {row["text"] for row in rows}


def test_where_unlabelled_texts_are_too_many_to_be_searched_it_is_said(tmp_path, monkeypatch):
    rows = [{"text": text, "label": "ab"[number % 2]} for number, text in enumerate(texts(200, words=30))]
    path = write_jsonl(tmp_path / "labelled.jsonl", rows)
    near = [changed(text, [29]) for text in load_corpus(path).test.texts[:1]]
    more = write_jsonl(tmp_path / "more.jsonl", [{"text": text} for text in near])
    monkeypatch.setattr("slmbench.corpora.near_duplicates.MAX_REVIEWS", 10)
    corpus = load_corpus(path, unlabelled_corpus=more)
    assert corpus.unlabelled == near
    assert any("not searched" in note for note in corpus.notes)
