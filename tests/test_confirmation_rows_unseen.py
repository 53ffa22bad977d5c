"""From training to a decision: nothing but the sealing itself is ever handed a confirmation row.

Everything that reads a text is spied on: tokenizers, TF-IDF, the edge runtime, and what measured processes are told.
"""

from contextlib import contextmanager

import pytest
from learnable import write_reviews

from slmbench.cascade import CascadeOptions, building, cascade
from slmbench.compare import compare
from slmbench.compare.confirmation import LOG
from slmbench.corpora import load_corpus, sample_texts, sides
from slmbench.edge import runtime
from slmbench.evaluation import evaluate
from slmbench.export import export, run_forms, sealing
from slmbench.export.sensitivity import ReferenceAnswers
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.profiling import profile, tuning
from slmbench.profiling.process import MeasuredProcess
from slmbench.records import BundleRecord, read_record

TESTED = 40


class Spy:
    """Collects every text that is read; while it is paused, in ``sealed``."""

    def __init__(self):
        self.seen, self.sealed = set(), set()
        self._paused = False

    def note(self, texts):
        (self.sealed if self._paused else self.seen).update([texts] if isinstance(texts, str) else texts)

    @contextmanager
    def paused(self):
        self._paused = True
        yield
        self._paused = False


@pytest.fixture
def spy(monkeypatch):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from transformers import PreTrainedTokenizerBase

    spy = Spy()

    def watch(owner, method, texts_of):
        original = getattr(owner, method)

        def watched(self, *args, **kwargs):
            spy.note(texts_of(*args, **kwargs))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, method, watched)

    first = lambda texts=(), *_, **__: texts  # noqa: E731
    watch(PreTrainedTokenizerBase, "__call__", lambda text=None, *_, **__: () if text is None else text)
    for method in ("fit_transform", "transform"):
        watch(TfidfVectorizer, method, first)
    for backend in (runtime.OnnxBackend, runtime.TfidfBackend):
        watch(backend, "encode", first)
    watch(MeasuredProcess, "__init__", lambda task: task["texts"])

    def paused(*args):
        with spy.paused():
            return sealing.with_sealed_answers(*args)

    for module in (run_forms, building):
        monkeypatch.setattr(module, "with_sealed_answers", paused)
    # As few as a small corpus has.
    for module in (sides, sealing):
        monkeypatch.setattr(module, "MIN_CONFIRMATION", 20)
    return spy


def test_no_stage_is_handed_a_confirmation_row(spy, tmp_path, tiny_base, monkeypatch):
    path = write_reviews(tmp_path / "reviews.csv", ["negative", "positive"], 800)
    corpus = load_corpus(str(path), train_size=100, test_size=TESTED)
    apart = set(corpus.confirmation.texts)
    assert len(apart) > 60

    options = TrainingOptions(epochs=2, batch_size=16, learning_rate=5e-3, max_length=32, precision="fp32")
    finetune(str(tiny_base), corpus, options, output=tmp_path / "bert")
    finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "tfidf")
    sample = sample_texts(str(path), size="all")
    spy.note([*sample, *(text for _, text in sample.measured)])

    large, small = tmp_path / "exported" / "bert", tmp_path / "exported" / "tfidf"
    export(tmp_path / "bert", forms=["fp32", "int8", "int8-static"], max_accuracy_drop=0.5, output=large)
    export(tmp_path / "tfidf", output=small)
    with monkeypatch.context() as patch:  # so that products are kept in float, one after another
        honest = ReferenceAnswers.agreement
        patch.setattr(ReferenceAnswers, "agreement", lambda self, backend: honest(self, backend) - 0.5)
        rescued = export(tmp_path / "bert", output=tmp_path / "exported" / "rescued")
    assert rescued.forms["int8"].search is not None and rescued.forms["int8"].confirmation is None

    monkeypatch.setattr(building, "accept_cascade", lambda *_: (True, "made to be accepted"))
    joined = tmp_path / "exported" / "both"
    assert cascade(small, large, CascadeOptions(large_form="fp32"), output=joined).cascade.validation is not None
    tuning.tune(large, time_limit_s=0.05)
    evaluate(tmp_path / "bert", output=tmp_path / "evaluated")
    evaluate(small, str(path), output=tmp_path / "evaluated-on-all")
    profile([small, joined], output=tmp_path / "profiles", processes=1, time_limit_s=0.05)

    assert len(apart & spy.seen) == 0
    assert set(corpus.test.texts) <= spy.seen  # the spy does see
    # And the sealing did answer them: all of them, of each accepted form.
    assert spy.sealed == apart
    for folder in (large, small, joined):
        for form in read_record(BundleRecord, folder / "bundle.json").forms.values():
            assert form.accepted and form.confirmation.reviews == len(apart)
    assert not list(joined.glob("*/confirmation"))  # members answer as part of the cascade alone

    record = compare(tmp_path / "profiles")
    assert record.confirmation.reviews == len(apart)
    assert len((tmp_path / "profiles" / LOG).read_text(encoding="utf-8").splitlines()) == 1
    assert len(apart & spy.seen) == 0
