"""The TF-IDF baseline: scikit-learn's pipeline, kept as numpy arrays."""

import json

import numpy as np
import pytest
from learnable import write_reviews

from slmbench.corpora import load_corpus
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.methods.training.tfidf import SETTINGS
from slmbench.records import RunRecord, read_record


def scikit_learn(corpus):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=100_000)
    pipeline = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=1000, random_state=42))
    return pipeline.fit(corpus.train.texts + corpus.validation.texts, corpus.train.labels + corpus.validation.labels)


def test_the_logits_are_those_of_scikit_learn(floor_run, small_corpus_file):
    corpus = load_corpus(str(small_corpus_file))
    logits = np.load(floor_run / "test_logits.npy")
    decision = scikit_learn(corpus).decision_function(corpus.test.texts)
    assert logits[:, 1] == pytest.approx(decision, abs=1e-6)
    assert not logits[:, 0].any()


def test_the_record(floor_run, small_corpus_file):
    record = read_record(RunRecord, floor_run / "run.json")
    assert (record.method, record.model, record.architecture, record.max_length) == ("tfidf", "tfidf", "tfidf", None)
    assert record.hyperparameters["C"] == SETTINGS["C"]
    assert record.trainable_parameters == record.total_parameters
    vocabulary = json.loads((floor_run / "model" / "tfidf.json").read_text())["vocabulary"]
    assert record.total_parameters == 2 * len(vocabulary) + 1
    assert record.test.accuracy > 0.9
    expected = load_corpus(str(small_corpus_file)).identity()
    assert record.corpus.model_copy(update={"near_duplicates": None}) == expected


def test_three_labels(tmp_path):
    labels = ["negative", "neutral", "positive"]
    corpus = load_corpus(str(write_reviews(tmp_path / "three.csv", labels, 180)))
    finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run")
    wanted = scikit_learn(corpus).decision_function(corpus.test.texts)
    assert np.load(tmp_path / "run" / "test_logits.npy") == pytest.approx(wanted, abs=1e-5)


def test_a_handful_of_reviews_is_enough(tmp_path):
    corpus = load_corpus(str(write_reviews(tmp_path / "few.csv", ["negative", "positive"], 40)))
    record = finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run")
    assert record.total_parameters > 50
