"""K examples per label: balanced, seeded, from the training side only."""

from collections import Counter

import pytest

from slmbench.common.errors import UsageError
from slmbench.corpora import load_corpus
from slmbench.methods.runs import default_folder, draw_shots


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=60)


def test_every_label_gets_as_many_examples(corpus):
    drawn = draw_shots(corpus, 5, seed=1)
    assert Counter(drawn.labels) == {0: 5, 1: 5}
    assert len(set(drawn.row_ids)) == 10
    # Each round has each label once, so that a prompt does not end with all of one.
    assert all(sorted(drawn.labels[turn : turn + 2]) == [0, 1] for turn in range(0, 10, 2))


def test_examples_are_labelled_training_rows(corpus):
    drawn = draw_shots(corpus, 8, seed=1)
    sides = (corpus.train, corpus.validation)
    known = {text: label for side in sides for text, label in zip(side.texts, side.labels, strict=True)}
    assert all(known[text] == label for text, label in zip(drawn.texts, drawn.labels, strict=True))
    assert not set(drawn.texts) & set(corpus.test.texts)


def test_the_seed_decides_which(corpus):
    assert draw_shots(corpus, 4, seed=1) == draw_shots(corpus, 4, seed=1)
    assert draw_shots(corpus, 4, seed=1) != draw_shots(corpus, 4, seed=2)


def test_no_shots_are_an_empty_split(corpus):
    assert len(draw_shots(corpus, 0, seed=1)) == 0


def test_more_shots_than_a_label_has_are_refused(corpus):
    with pytest.raises(UsageError, match=r"have only 30 labelled 'negative'"):
        draw_shots(corpus, 31, seed=1)


def test_fewer_than_no_shots_are_refused(corpus):
    with pytest.raises(UsageError, match="at least 0"):
        draw_shots(corpus, -1, seed=1)


def test_folders_are_named_after_what_the_run_is():
    assert str(default_folder("a/Model", "reviews.csv", 42, "cloze", "4shot")) == "runs/model-cloze-4shot-reviews"
    assert str(default_folder("m", "imdb", 7)) == "runs/m-imdb-seed7"
