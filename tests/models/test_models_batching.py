"""Answers in batches: several at the same time are those of one after the other, in input order."""

import threading

import numpy as np
import pytest
import torch

from slmbench.common.progress import SILENT
from slmbench.models import ModelFiles, batching, load_classifier, load_tokenizer
from slmbench.models.batching import answer_in_batches

TEXTS = [("a film " * (1 + number % 7)).strip() for number in range(40)]


@pytest.fixture
def tiny(tiny_run, monkeypatch):
    """A model, its tokenizer and encoded texts; batches are small."""
    monkeypatch.setattr(batching, "BATCH_TOKENS", 64)
    tokenizer = load_tokenizer(tiny_run / "model")
    model = load_classifier(ModelFiles("tiny", tiny_run / "model", "directory"), ["negative", "positive"]).eval()
    return model, tokenizer, dict(tokenizer(TEXTS, truncation=True, max_length=16))


def answers(tiny, workers, answer=None):
    model, tokenizer, encoded = tiny
    with SILENT.task("") as task:
        return answer_in_batches(
            answer or (lambda batch: model(**batch).logits),
            tokenizer,
            encoded,
            "cpu",
            task,
            workers=workers,
        )


def test_workers_give_the_answers_of_one_and_leave_torchs_threads_as_they_were(tiny):
    before = torch.get_num_threads()
    alone = answers(tiny, 1)
    assert alone.shape == (len(TEXTS), 2)
    np.testing.assert_allclose(answers(tiny, 2), alone, atol=1e-6)
    assert torch.get_num_threads() == before


def test_two_batches_run_at_the_same_time_without_gradients(tiny):
    both, seen = threading.Barrier(2, timeout=20), set()

    def answer(batch):
        me = (threading.get_ident(), torch.get_num_threads())
        if me not in seen:
            seen.add(me)
            both.wait()
        assert torch.is_inference_mode_enabled()
        return tiny[0](**batch).logits

    answers(tiny, 2, answer)
    assert len({thread for thread, _ in seen}) == 2
    assert {threads for _, threads in seen} == {1}


def test_a_failure_in_a_worker_is_raised(tiny):
    def fail(batch):
        raise MemoryError

    with pytest.raises(MemoryError):
        answers(tiny, 2, fail)
    with pytest.raises(ValueError, match="no texts"), SILENT.task("") as task:
        answer_in_batches(lambda batch: batch, tiny[1], {"input_ids": []}, "cpu", task)
