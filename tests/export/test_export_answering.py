"""Many reviews at once, on a thread for each core: the answers are those of one after the other."""

import threading

import numpy as np
import pytest

from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.edge.runtime import OnnxBackend, batches_by_tokens
from slmbench.export import FORMS, answering, checking
from slmbench.export.answering import WorkingForm, form_logits, release
from slmbench.export.checking import FormChecker
from slmbench.export.guard import LossLimits

TEXTS = ["a superb film", "dull", "a film that is long and " * 4, "so so", "never again, not even for free"] * 5


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(answering, "usable_cores", lambda: 2)


@pytest.mark.parametrize("file", ["model.onnx", "model_quantized.onnx"])
def test_answers_are_those_of_one_after_the_other(tiny_bundle, two_cores, file):
    path = tiny_bundle / "onnx" / file
    plain, form = OnnxBackend(tiny_bundle, path, None), WorkingForm(tiny_bundle, path)
    items = plain.encode(TEXTS)
    alone = np.stack([plain.logits([item])[0] for item in items])
    assert np.array_equal(form_logits(form, items, SILENT, "alone"), alone)
    batches = batches_by_tokens(plain.lengths(items), 64)
    together = np.empty_like(alone)
    for rows in batches:
        together[rows] = plain.logits([items[row] for row in rows])
    assert np.array_equal(form_logits(form, items, SILENT, "in batches", batches), together)


def test_two_inferences_run_at_the_same_time_and_each_on_one_thread(tiny_bundle, two_cores, monkeypatch):
    form = WorkingForm(tiny_bundle, tiny_bundle / "onnx/model.onnx")
    assert form.for_many._session.get_session_options().intra_op_num_threads == 1
    both, answer = threading.Barrier(2, timeout=20), form.for_many.logits

    def answer_beside_another(items):
        both.wait()
        return answer(items)

    monkeypatch.setattr(form.for_many, "logits", answer_beside_another)
    assert form_logits(form, form.encode(TEXTS[:4]), SILENT, "alone").shape == (4, 2)
    release(form)
    assert "for_many" not in vars(form)


def test_a_failure_of_one_answer_ends_all(tiny_bundle, two_cores, monkeypatch):
    form = WorkingForm(tiny_bundle, tiny_bundle / "onnx/model.onnx")

    def fail(items):
        raise MemoryError

    monkeypatch.setattr(form.for_many, "logits", fail)
    with pytest.raises(MemoryError):
        form_logits(form, form.encode(TEXTS), SILENT, "alone")


@pytest.fixture
def checker(tiny_bundle, small_corpus_file, monkeypatch):
    """A checker of the tiny bundle that samples few reviews."""
    monkeypatch.setattr(checking, "SAMPLED", 5)
    monkeypatch.setattr(checking, "LONGEST", 2)
    rows = load_corpus(str(small_corpus_file)).test
    return FormChecker(tiny_bundle, rows, ["negative", "positive"], LossLimits(0.2, None, False), SILENT)


def test_what_rounding_cannot_change_is_not_asked_again(checker, tiny_bundle):
    file = tiny_bundle / FORMS["fp32"].file
    checker.take_reference(file)
    everything = checker.reference_logits
    assert len(checker.asked) == len(everything) > 20

    close = len(everything) // 2
    known = everything + np.float32(1e-6)
    known[close] = everything[close].mean()  # no label leads: rounding decides
    checker.take_reference(file, known)
    assert set(range(5)) | {close} <= set(checker.asked.tolist()) and len(checker.asked) <= 8
    np.testing.assert_array_equal(checker.reference_logits[checker.asked], everything[checker.asked])
    np.testing.assert_allclose(checker.reference_logits, everything, atol=2e-6)


def test_where_more_than_rounding_differs_every_review_is_asked(checker, tiny_bundle):
    file = tiny_bundle / FORMS["fp32"].file
    checker.take_reference(file)
    everything = checker.reference_logits
    for wrong in (everything[:, ::-1], np.full_like(everything, np.nan)):
        checker.take_reference(file, wrong)
        assert len(checker.asked) == len(everything)
        np.testing.assert_array_equal(checker.reference_logits, everything)


def test_batches_that_differ_by_rounding_need_a_sample_only(checker, tiny_bundle, monkeypatch):
    checker.take_reference(tiny_bundle / FORMS["fp32"].file)
    planned = len(checker.reference_logits)
    record = checker.record(FORMS["fp32"].file, checker.reference, checker.check("fp32", checker.reference))
    assert (record.batching.reviews, record.batching.planned, record.batching.result) == (5, planned, "pass")
    monkeypatch.setattr(checking, "beyond_rounding", lambda logits, largest: np.zeros(len(logits), dtype=bool))
    record = checker.record(FORMS["fp32"].file, checker.reference, checker.check("fp32", checker.reference))
    assert record.batching.reviews == planned
