"""Many reviews at once, on a thread for each core: the answers are those of one after the other."""

import threading

import numpy as np
import pytest

from slmbench.common.progress import SILENT
from slmbench.edge.runtime import OnnxBackend, batches_by_tokens
from slmbench.export import answering
from slmbench.export.answering import WorkingForm, form_logits, release

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
