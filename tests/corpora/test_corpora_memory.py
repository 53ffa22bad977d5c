"""A sample of a large corpus takes the memory of the sample: texts that are not drawn are not kept."""

import tracemalloc
from pathlib import Path

import pytest
from corpora_helpers import write_csv, write_jsonl

from slmbench.common.errors import SlmbenchError
from slmbench.corpora import labelled, load_again, load_corpus, load_for_testing, row_sets


def long_reviews(count, start=0):
    filler = " " + "word" * 875
    return [
        {"text": f"review {n}{filler}", "label": ["negative", "positive"][n % 2]} for n in range(start, start + count)
    ]


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A file of 14 MB, where texts are kept up to a tenth of a megabyte."""
    monkeypatch.setattr(row_sets, "MAX_KEPT_BYTES", 100_000)
    return write_csv(tmp_path / "large.csv", long_reviews(4000))


def peak_of(load):
    tracemalloc.start()
    try:
        loaded = load()
        return loaded, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_small_sample_of_a_large_file(large):
    sample, peak = peak_of(lambda: load_corpus(large, train_size=100, test_size=50))
    assert peak < 6_000_000
    assert sample.train_pool + sample.test_pool == 4000
    whole, peak = peak_of(lambda: load_corpus(large, train_size="all", test_size=50))
    assert peak > 12_000_000
    assert sample.test == whole.test
    assert set(sample.train.texts) < set(whole.train.texts + whole.validation.texts)


def test_the_sample_is_that_of_texts_kept(large, monkeypatch):
    corpora = []
    for kept in (100_000, 10**9):
        monkeypatch.setattr(row_sets, "MAX_KEPT_BYTES", kept)
        corpora.append(load_corpus(large, train_size=60, test_size=30, unlabelled_size=20))
    assert corpora[0] == corpora[1]
    assert load_again(corpora[0].options, corpora[0].identity().test_hash) == corpora[0]


def test_several_files_a_test_corpus_and_texts_without_labels(tmp_path, large):
    (tmp_path / "parts").mkdir()
    for number in range(3):
        write_jsonl(tmp_path / "parts" / f"{number}.jsonl", long_reviews(100, start=100 * number))
    test = write_csv(tmp_path / "test.csv", long_reviews(100, start=5000))
    more = write_csv(tmp_path / "more.csv", [{"text": row["text"]} for row in long_reviews(100, start=6000)])
    corpus = load_corpus(
        str(tmp_path / "parts"), train_size=30, test_corpus=test, unlabelled_corpus=more, unlabelled_size=40
    )
    numbers = [int(text.split()[1]) for text in corpus.train.texts + corpus.validation.texts]
    assert max(numbers) < 300 and len(numbers) == 30
    for text, label in zip(corpus.train.texts, corpus.train.labels, strict=True):
        assert int(text.split()[1]) % 2 == label
    assert all(5000 <= int(text.split()[1]) < 5100 for text in corpus.test.texts)
    assert all(6000 <= int(text.split()[1]) < 6100 for text in corpus.unlabelled)


def test_a_sample_to_test_on(large):
    (corpus, _), peak = peak_of(lambda: load_for_testing(large, ["negative", "positive"], test_size=50))
    assert len(corpus.test) == 50
    assert peak < 6_000_000


def test_a_file_that_changes_while_it_is_read(large, monkeypatch):
    again = labelled.with_texts

    def after_a_change(*arguments):
        write_csv(Path(large), long_reviews(4000, start=7))
        return again(*arguments)

    monkeypatch.setattr("slmbench.corpora.loading.with_texts", after_a_change)
    with pytest.raises(SlmbenchError, match="was changed while it was read"):
        load_corpus(large, train_size=50)
