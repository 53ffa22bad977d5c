"""Static classifiers: what is fitted is what numpy answers, alone, in batches, in int8 and in a cascade."""

import json
import os

import numpy as np
import pytest
from learnable import write_reviews
from tiny import SMALL_STATIC as SMALL

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.edge.runtime import StaticBackend, static_rows, static_words
from slmbench.evaluation.verify import verify
from slmbench.methods.static.features import StaticFeatures
from slmbench.methods.static.fitting import Lessons, fit
from slmbench.methods.static.table_files import save
from slmbench.methods.training import finetune
from slmbench.profiling import ProfileOptions, profile

ODD_TEXTS = [
    "",
    " \t\n",
    "a",
    "...",
    "Great!!  a great, GREAT film\tand\nmore <br /><br />",
    "\u00e9t\u00e9 na\u00efve \u0130stanbul \u00df stra\u00dfe \ufb01lm",
    "\u6620\u753b\u306f \u3068\u3066\u3082\u826f\u3044 \U0001f600\U0001f600 x\u200by",
    "bad\u00a0film\u2003worse\x00end \ud800",
    "good " * 5000 + "un" * 300,
]


def test_words_and_rows():
    assert static_words("Don't! <br />\u6620\u753b Caf\u00e9\U0001f600_1.") == [
        "don", "t", "!", "br", "\u6620", "\u753b", "caf\u00e9", "\U0001f600", "_1",
    ]  # fmt: skip
    # Worked out by hand from the definition in the docstring; JavaScript has to find the same.
    mixed = lambda value: (value := value * 0x9E3779B1 % 2**32) ^ value >> 16  # noqa: E731
    pairs = {5 + mixed(mixed(first) ^ second) % 7 for first, second in ((2, 0), (0, 2), (2, 4))}
    ids = np.array([2, 0, 2, 4], dtype=np.uint32)
    assert static_rows(ids, 4, 2, 7).tolist() == sorted({0, 2, 4} | pairs)
    triple = 5 + mixed(mixed(mixed(2) ^ 0) ^ 2) % 7
    assert triple in static_rows(ids, 4, 3, 7)
    assert static_rows(ids, 4, 2, 0).tolist() == [0, 2, 4]
    assert static_rows(ids[:1], 4, 2, 7).tolist() == [2]


def test_ascii_texts_have_the_words_of_the_expression_for_all():
    text = "It's 7/10 -- a GOOD_film?! (really), worth $3.50 & more...\t<br />"
    assert static_words(text) == static_words(text + "\u00e9")[:-1]


@pytest.mark.parametrize("labels", [2, 3])
def test_the_runtime_answers_as_what_was_fitted(tmp_path, labels):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["good", "bad", "film", "plot", "x", "!"], 6)) for _ in range(60)] + ODD_TEXTS
    truth = rng.integers(0, labels, len(texts))
    features = StaticFeatures.of(texts, words=50, longest=3, buckets=64)
    vectors = rng.normal(size=(len(features.words), 4)).astype(np.float32)
    lessons = Lessons.of(features.matrix(texts), vectors, np.eye(labels)[truth], np.ones(len(texts)))
    table = fit(lessons, seed=0).table
    save(tmp_path, features, table)
    backend = StaticBackend(tmp_path)
    asked = [*ODD_TEXTS, *texts[:20], "unseen words only zzz"]
    expected = table.logits(features.matrix(asked))
    assert backend.width == labels
    assert backend.logits(backend.encode(asked)) == pytest.approx(expected, abs=1e-5)


def test_the_fit_is_the_minimum():
    """With two labels it is the logistic regression of scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(["good", "bad", "film", "plot"], 5)) for _ in range(80)]
    truth = [int(text.count("good") > text.count("bad")) for text in texts]
    features = StaticFeatures.of(texts, words=50, longest=1, buckets=0)
    matrix = features.matrix(texts)
    none = np.empty((len(features.words), 0), dtype=np.float32)
    lessons = Lessons.of(matrix, none, np.eye(2)[truth], np.ones(80))
    choice = fit(lessons, seed=0)
    model = LogisticRegression(C=choice.strength, tol=1e-8, max_iter=1000).fit(lessons.features, truth)
    expected = model.decision_function(lessons.features)
    assert choice.table.logits(matrix)[:, 1] == pytest.approx(expected, abs=0.02)


def test_a_run_and_its_bundle(static_run, static_bundle):
    run = json.loads((static_run / "run.json").read_text())
    assert (run["method"], run["architecture"], run["max_length"]) == ("static", "static", None)
    assert run["test"]["accuracy"] > 0.9
    bundle = json.loads((static_bundle / "bundle.json").read_text())
    assert bundle["runtime"] == "static"
    assert {name: form["file"] for name, form in bundle["forms"].items()} == {
        "fp32": "static.npz",
        "int8": "static_int8.npz",
    }
    assert bundle["forms"]["int8"]["bytes"] < bundle["forms"]["fp32"]["bytes"]
    assert bundle["forms"]["fp32"]["parity"]["label_flips"] == 0
    assert bundle["forms"]["int8"]["accepted"]
    assert bundle["forms"]["int8"]["batching"]["max_abs_logit_diff"] == 0


def test_the_same_inputs_make_the_same_files(static_run, small_corpus_file, tiny_base, tmp_path):
    corpus = load_corpus(str(small_corpus_file))
    again = finetune(str(tiny_base), corpus, method="static", output=tmp_path / "again", **SMALL)
    for name in ("static.json", "static.npz"):
        assert (tmp_path / "again/model" / name).read_bytes() == (static_run / "model" / name).read_bytes()
    assert again.key == json.loads((static_run / "run.json").read_text())["key"]


def test_int8_answers_alike_alone_and_in_batches(static_bundle, small_corpus_file):
    texts = [*load_corpus(str(small_corpus_file)).test.texts, *ODD_TEXTS]
    fp32, int8 = (Classifier(static_bundle, form=form) for form in ("fp32", "int8"))
    assert np.array_equal(int8.predict_logits(texts), int8.predict_logits(texts, batch_tokens=2048))
    assert int8.predict_logits(texts) == pytest.approx(fp32.predict_logits(texts), abs=0.1)
    assert int8.token_lengths(["a good film", ""]) == [3, 0]
    with pytest.raises(UsageError, match="runs on the CPU only"):
        Classifier(static_bundle, provider="cuda")


def test_a_bundle_is_profiled_verified_and_joined(static_bundle, tiny_bundle, tmp_path):
    (record,) = profile(
        [static_bundle], ProfileOptions(processes=1, time_limit_s=0.2, forms=("int8",)), output=tmp_path / "profiles"
    )
    assert (record.backend, record.form) == ("numpy", "int8")
    found = verify(static_bundle)
    assert not found.damaged
    assert all(form.agrees for form in found.forms.values())
    both = cascade(static_bundle, tiny_bundle, CascadeOptions(threshold=0.9), output=tmp_path / "both")
    assert both.cascade.small.runtime == "static"
    assert Classifier(tmp_path / "both").predict(["a good film"])[0].label in both.labels


def test_a_student_learns_from_its_teacher(tiny_run, tiny_base, small_corpus_file, tmp_path):
    corpus = load_corpus(str(small_corpus_file))
    record = finetune(
        str(tiny_base),
        corpus,
        method="static",
        output=tmp_path / "run",
        teacher=str(tiny_run),
        hard_weight=0.0,
        **SMALL,
    )
    assert record.details["teacher"]["name"] == "tiny-bert-full"
    taught = np.load(tmp_path / "run/test_logits.npy")
    teacher = np.load(tiny_run / "test_logits.npy")
    assert (taught.argmax(1) == teacher.argmax(1)).mean() > 0.8


@pytest.mark.parametrize("count", [12, 60])
def test_a_handful_of_reviews_is_enough(tmp_path, tiny_base, count):
    corpus = load_corpus(str(write_reviews(tmp_path / "few.csv", ["negative", "neutral", "positive"], count)))
    record = finetune(str(tiny_base), corpus, method="static", output=tmp_path / "run", **SMALL)
    assert record.total_parameters > 100


def damaged(folder, **changed):
    """Change arrays of a model, or settings beside them."""
    with np.load(folder / "static.npz") as file:
        arrays = {name: file[name] for name in file.files}
    settings = json.loads((folder / "static.json").read_text(encoding="utf-8"))
    for name, change in changed.items():
        kept = arrays if name in arrays else settings
        kept[name] = change(kept[name])
    np.savez(folder / "static.npz", **arrays)
    (folder / "static.json").write_text(json.dumps(settings), encoding="utf-8")


ATTACKS = {
    "NaN in the table": {"table": lambda old: np.full_like(old, np.nan)},
    "infinity in the bias": {"bias": lambda old: old + np.inf},
    "a row too few": {"table": lambda old: old[:-1]},
    "a row too many": {"table": lambda old: np.concatenate([old, old[:1]])},
    "a flat table": {"table": lambda old: old.ravel()},
    "a table of words": {"table": lambda old: old.astype(str)},
    "a head of other width": {"head": lambda old: np.concatenate([old, old], axis=1)},
    "a scale for each row": {"scale": lambda old: np.ones(7)},
    "no bias": {"bias": lambda old: old[:0]},
    "more buckets than rows": {"buckets": lambda old: old + 1},
    "buckets beyond 32 bits": {"buckets": lambda old: 2**33},
    "buckets below none": {"buckets": lambda old: -1},
    "n-grams without end": {"longest_ngram": lambda old: 10**9},
    "n-grams of nothing": {"longest_ngram": lambda old: 0},
    "words that are numbers": {"words": lambda old: list(range(len(old)))},
    "a word twice": {"words": lambda old: [old[0], *old[:-1]]},
    "words that are a text": {"words": lambda old: "good"},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_file_that_cannot_be(static_run, tmp_path, attack):
    for name in ("static.json", "static.npz"):
        (tmp_path / name).write_bytes((static_run / "model" / name).read_bytes())
    StaticBackend(tmp_path)
    damaged(tmp_path, **ATTACKS[attack])
    with pytest.raises(SlmbenchError, match="missing or damaged|do not belong together"):
        StaticBackend(tmp_path)


def test_files_that_are_not_there(tmp_path):
    os.mkfifo(tmp_path / "static.json")
    with pytest.raises(SlmbenchError, match="missing or damaged"):
        StaticBackend(tmp_path)
