"""The TF-IDF baseline: scikit-learn's pipeline with settings chosen on the training rows, kept as numpy arrays."""

import json

import numpy as np
import pytest
from learnable import write_reviews

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import Split, load_corpus
from slmbench.edge.runtime import MAX_NGRAM, TfidfBackend
from slmbench.methods.training import TrainingOptions, finetune, tfidf_choice
from slmbench.methods.training.tfidf import CountedTerms, TfidfClassifier, TfidfFeatures, TfidfSettings
from slmbench.methods.training.tfidf_choice import C_VALUES, CHARACTERS, choose_settings
from slmbench.records import RunRecord, read_record

ODD_TEXTS = [
    "",
    " ",
    "a",
    "ab a b",
    "Great!!  a great, GREAT film\tand\nmore",
    "\u00e9t\u00e9 na\u00efve \u0130stanbul \u00df stra\u00dfe \ufb01lm",
    "\u6620\u753b\u306f \u3068\u3066\u3082\u826f\u3044 \U0001f600\U0001f600 x\u200by",
    "bad\u00a0film\u2003worse\x00end \ud800",
    "good " * 50 + "un" * 300,
]


def scikit_learn(texts, labels, settings):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    shared = {"sublinear_tf": settings["sublinear_tf"], "min_df": 2, "max_features": 100_000}
    parts = [TfidfVectorizer(ngram_range=(1, 2), **shared)]
    if settings["characters"]:
        parts.append(TfidfVectorizer(analyzer="char_wb", ngram_range=settings["characters"], **shared))
    weights = None if settings["class_weight"] == "none" else "balanced"
    model = LogisticRegression(C=settings["C"], max_iter=1000, random_state=42, class_weight=weights)
    return make_pipeline(make_union(*parts), model).fit(texts, labels)


def all_training(corpus):
    return corpus.train.texts + corpus.validation.texts, corpus.train.labels + corpus.validation.labels


@pytest.mark.parametrize("labels", [["negative", "positive"], ["negative", "neutral", "positive"]])
def test_the_logits_are_those_of_scikit_learn(tmp_path, labels):
    corpus = load_corpus(str(write_reviews(tmp_path / "reviews.csv", labels, 180)))
    record = finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run")
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    decision = scikit_learn(*all_training(corpus), record.details["chosen"]).decision_function(corpus.test.texts)
    assert (logits[:, 1] if len(labels) == 2 else logits) == pytest.approx(decision, abs=1e-5)
    assert len(labels) == 3 or not logits[:, 0].any()


@pytest.mark.parametrize(
    "settings",
    [
        TfidfSettings(characters=(2, 4)),
        TfidfSettings(characters=(3, 5), sublinear_tf=False, C=1.0),
        TfidfSettings(sublinear_tf=False, class_weight="balanced"),
    ],
)
def test_the_runtime_answers_as_scikit_learn(small_corpus_file, tmp_path, settings):
    texts, labels = all_training(load_corpus(str(small_corpus_file)))
    texts = [*texts, *ODD_TEXTS, *ODD_TEXTS]
    labels = [*labels, *[index % 2 for index in range(2 * len(ODD_TEXTS))]]
    TfidfClassifier(Split(texts, labels, [str(row) for row in range(len(texts))]), 42, settings).save(tmp_path)
    backend = TfidfBackend(tmp_path)
    pipeline = scikit_learn(texts, labels, vars(settings))
    asked = [*ODD_TEXTS, *texts[:50], "unseen words only zzz"]
    assert backend.logits(backend.encode(asked))[:, 1] == pytest.approx(pipeline.decision_function(asked), abs=1e-5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("token_pattern", r"(\w+\s?)+$"),
        ("ngram_range", [1, MAX_NGRAM + 1]),
        ("ngram_range", [0, 1]),
        ("characters", {"ngram_range": [1, 10**9], "vocabulary": []}),
    ],
)
def test_a_bundle_cannot_ask_for_slow_terms(floor_run, tmp_path, key, value):
    for name in ("tfidf.json", "tfidf.npz"):
        (tmp_path / name).write_bytes((floor_run / "model" / name).read_bytes())
    settings = json.loads((tmp_path / "tfidf.json").read_text())
    (tmp_path / "tfidf.json").write_text(json.dumps({**settings, key: value}))
    with pytest.raises(SlmbenchError, match="missing or damaged"):
        TfidfBackend(tmp_path)


def test_the_record(floor_run, small_corpus_file):
    record = read_record(RunRecord, floor_run / "run.json")
    assert (record.method, record.model, record.architecture, record.max_length) == ("tfidf", "tfidf", "tfidf", None)
    # What identifies the method over seeds is where it chooses, not what.
    assert "cross-validation" in record.hyperparameters["chosen_by"]
    assert record.hyperparameters["grid"]["C"] == list(C_VALUES)
    assert not {"sublinear_tf", "C"} & set(record.hyperparameters)
    found = record.details["chosen"]
    best = {name: found[name] for name in ("C", "sublinear_tf", "characters", "class_weight")}
    (tried,) = [one for one in found["tried"] if {name: one[name] for name in best} == best]
    assert f"{tried['accuracy']:.3f}" in found["by"]
    assert len(found["tried"]) >= 7
    assert record.trainable_parameters == record.total_parameters
    settings = json.loads((floor_run / "model" / "tfidf.json").read_text())
    terms = len(settings["vocabulary"]) + len(settings.get("characters", {}).get("vocabulary", []))
    assert record.total_parameters == 2 * terms + 1
    assert record.test.accuracy > 0.9
    expected = load_corpus(str(small_corpus_file)).identity()
    assert record.corpus.model_copy(update={"near_duplicates": None}) == expected


def test_a_handful_of_reviews_is_enough(tmp_path):
    corpus = load_corpus(str(write_reviews(tmp_path / "few.csv", ["negative", "positive"], 40)))
    record = finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run")
    assert record.total_parameters > 50


def chosen(texts, labels, metric="accuracy", class_weight="auto", seed=0):
    return choose_settings(texts, labels, CountedTerms, metric=metric, class_weight=class_weight, seed=seed)


def made_up_words(rows, seed=0):
    """Texts of words that are new each time, of which only an ending tells the label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows).tolist()
    stems = lambda: "".join(rng.choice(list("bcdfghjkl"), 8))  # noqa: E731
    return ["the film " + " ".join(stems() + ("oqz", "ixx")[label] for _ in range(4)) for label in labels], labels


WITHOUT_COMMON_WORDS = {
    "emoji": lambda row, label: ("\U0001f600", "\U0001f621")[label] * (row + 1),
    "single letters": lambda row, label: " ".join(
        "abcdefgh"[label * 4 : label * 4 + 4][row % 4] for _ in range(row + 1)
    ),
    "one word a text": lambda row, label: f"{('lovely', 'dreadful')[label]}{row}",
    "no spaces": lambda row, label: f"{row}号这部电影很{('好看我喜欢', '无聊我讨厌')[label]}",
}


@pytest.mark.parametrize("kind", WITHOUT_COMMON_WORDS)
@pytest.mark.parametrize("count", [20, 120])
def test_texts_that_share_no_word(tmp_path, kind, count):
    text = WITHOUT_COMMON_WORDS[kind]
    rows = [{"text": text(row, row % 2), "label": row % 2} for row in range(count)]
    path = tmp_path / "reviews.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    corpus = load_corpus(str(path))
    finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run")
    backend = TfidfBackend(tmp_path / "run" / "model")
    asked = [*corpus.test.texts, *ODD_TEXTS]
    found = backend.logits(backend.encode(asked))
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    assert found[: len(corpus.test.texts)] == pytest.approx(logits, abs=1e-5)
    assert np.isfinite(found).all()
    if count == 120:
        assert (logits.argmax(-1) == corpus.test.labels).mean() > 0.9


def test_characters_are_taken_where_they_are_shown_to_help():
    assert chosen(*made_up_words(120)).settings.characters == CHARACTERS


def test_counting_once_gives_the_features_of_the_classifier():
    texts, _ = made_up_words(60)
    texts += [*WITHOUT_COMMON_WORDS, "the film the film the film"]
    terms = CountedTerms(texts)
    for settings in (
        TfidfSettings(),
        TfidfSettings(sublinear_tf=False),
        TfidfSettings(characters=CHARACTERS),
        TfidfSettings(sublinear_tf=False, characters=CHARACTERS),
    ):
        expected = TfidfFeatures(settings, len(texts)).fit_transform(texts)
        assert abs(terms.features(settings) - expected).max() < 1e-15


def test_characters_that_do_not_look_promising_on_some_rows_are_not_tried_on_all(monkeypatch):
    counted = []

    def count(texts):
        counted.append(len(texts))
        return CountedTerms(texts)

    def tried(texts, labels):
        counted.clear()
        found = choose_settings(texts, labels, count, metric="accuracy", class_weight="auto", seed=0)
        return found.settings.characters, any(one["characters"] for one in found.tried), list(counted)

    texts, labels = made_up_words(120)
    monkeypatch.setattr(tfidf_choice, "FIRST_ROWS", 60)
    assert tried(texts, labels) == (CHARACTERS, True, [120, 60])
    plain = [f"{('awful', 'lovely')[label]} film" for label in labels]
    assert tried(plain, labels) == (None, False, [120, 60])
    monkeypatch.setattr(tfidf_choice, "FIRST_ROWS", 61)  # of fewer than twice as many rows all are looked at
    assert tried(plain, labels) == (None, True, [120])


def test_characters_are_not_taken_for_nothing():
    """The words say all: what characters add is chance at most."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120).tolist()
    texts = [" ".join([("awful", "lovely")[label], *rng.choice(["film", "plot", "cast"], 3)]) for label in labels]
    found = chosen(texts, labels)
    assert found.settings.characters is None
    assert any(one["characters"] for one in found.tried)


def test_weights_of_classes_follow_the_metric():
    """One row in twelve has the rare label, and its word is commoner elsewhere: unweighted, it is never given."""
    rng = np.random.default_rng(0)
    labels = (np.arange(600) % 12 == 0).astype(int)
    texts = ["a rare film" if rng.random() < (0.15, 0.9)[label] else "a usual film" for label in labels]
    assert chosen(texts, labels.tolist(), "macro_f1").settings.class_weight == "balanced"
    assert chosen(texts, labels.tolist(), "accuracy").settings.class_weight == "none"
    assert chosen(texts, labels.tolist(), "accuracy", "balanced").settings.class_weight == "balanced"


def test_the_choice_is_the_same_with_the_same_seed():
    texts, labels = made_up_words(120)
    assert chosen(texts, labels, seed=3) == chosen(texts, labels, seed=3)


def test_a_label_with_hardly_a_row_leaves_the_defaults():
    found = chosen(["good film", "bad film", "fine film", "poor film"], [0, 1, 0, 0])
    assert (found.settings, found.tried) == (TfidfSettings(), [])
    assert "fewer than 3" in found.chosen_by


def test_what_picks_the_settings_is_a_score():
    with pytest.raises(UsageError, match="--select-by"):
        TrainingOptions(method="tfidf", select_by="loss")
