"""Runs in torch: the answers of the exported form, on the CPU; what only a GPU has is refused or made up."""

import shutil

import numpy as np
import pytest

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier
from slmbench.profiling.torch.backend import TorchBackend, TorchClassifier
from slmbench.profiling.torch.forward import forward_ms, prepare_forward
from slmbench.records import RunRecord, read_record

TEXTS = [
    "a superb film, the best i ever watched",
    "the worst movie, awful and boring",
    "",
    "great " * 80,
    "it was fine but slow",
    "terrible script and a poor cast " * 9,
]


@pytest.fixture(scope="module")
def torch_fp32(tiny_run):
    return TorchClassifier(TorchBackend(tiny_run), "fp32")


@pytest.fixture(scope="module")
def onnx_fp32(tiny_bundle):
    return Classifier(tiny_bundle, form="fp32")


@pytest.mark.parametrize("batch_tokens", [None, 96])
def test_torch_answers_as_the_exported_form(torch_fp32, onnx_fp32, batch_tokens):
    ours, exported = (
        classifier.predict_logits(TEXTS, batch_tokens=batch_tokens) for classifier in (torch_fp32, onnx_fp32)
    )

    assert ours.dtype == np.float32
    assert np.abs(ours - exported).max() < 1e-4
    assert [p.label for p in torch_fp32.predict(TEXTS)] == [p.label for p in onnx_fp32.predict(TEXTS)]


def test_texts_are_cut_and_counted_as_in_the_bundle(torch_fp32, onnx_fp32):
    assert torch_fp32.token_lengths(TEXTS) == onnx_fp32.token_lengths(TEXTS)
    assert max(torch_fp32.token_lengths(TEXTS)) == 32  # the run's --max-length


def test_it_answers_the_test_rows_as_the_run_did(torch_fp32, tiny_run, small_corpus_file):
    from slmbench.corpora import load_again

    record = read_record(RunRecord, tiny_run / "run.json")
    test = load_again(record.corpus.options, record.corpus.test_hash).test

    said = np.argmax(torch_fp32.predict_logits(test.texts), axis=1)

    assert said.tolist() == np.argmax(np.load(tiny_run / "test_logits.npy"), axis=1).tolist()


def test_half_precision_is_near_and_not_the_same(torch_fp32, tiny_run):
    half = TorchClassifier(TorchBackend(tiny_run, precision="bf16"), "bf16")

    difference = np.abs(half.predict_logits(TEXTS) - torch_fp32.predict_logits(TEXTS)).max()

    assert 0 < difference < 0.1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for the CPU with g++")
def test_compiled_it_answers_the_same_at_any_length(torch_fp32, tiny_run):
    compiled = TorchClassifier(TorchBackend(tiny_run, mode="compile"), "fp32")

    assert np.abs(compiled.predict_logits(TEXTS) - torch_fp32.predict_logits(TEXTS)).max() < 1e-4


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"precision": "fp16"}, "torch on cpu has no 'fp16': choose among fp32, bf16"),
        ({"mode": "graphs"}, "torch on cpu has no 'graphs': choose among eager, compile"),
        ({"device": "tpu"}, "torch models are run on cpu, cuda, not on 'tpu'"),
    ],
)
def test_what_a_device_does_not_have_is_refused(tiny_run, wanted, says):
    with pytest.raises(UsageError, match=says):
        TorchBackend(tiny_run, **wanted)


def test_a_gpu_that_is_not_there_is_said(tiny_run, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(SlmbenchError, match="there is no device 'cuda' here"):
        TorchBackend(tiny_run, device="cuda", precision="fp16", mode="graphs")


def test_what_has_no_torch_model_is_refused(floor_run, tiny_bundle):
    with pytest.raises(UsageError, match=r"has no torch model \(tfidf\): measure its bundle instead"):
        TorchBackend(floor_run)
    with pytest.raises(UsageError, match="is a bundle, not a run"):
        TorchBackend(tiny_bundle)


def test_every_pass_is_timed_alone_on_the_cpu(tiny_run):
    backend = TorchBackend(tiny_run)
    model, batches = _model_and_batches(backend)

    samples = forward_ms(prepare_forward(model, "cpu"), batches, "cpu")

    assert len(samples) == 2
    assert min(samples) > 0


def test_on_cuda_each_pass_is_between_two_events_and_waited_for(monkeypatch):
    happened = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            happened.append("record")

        def synchronize(self):
            happened.append("wait")

        def elapsed_time(self, end):
            return 1.5

    monkeypatch.setattr("torch.cuda.Event", Event)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: happened.append("synchronize"))

    samples = forward_ms(lambda batch: happened.append(batch), ["one", "two"], "cuda")

    assert samples == [1.5, 1.5]
    assert happened == ["synchronize", *("record", "one", "record", "wait"), *("record", "two", "record", "wait")]


def _model_and_batches(backend):
    from tiny import configuration
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_config(configuration("bert"))
    return model, [backend.batch(backend.encode(TEXTS[:1])), backend.batch(backend.encode(TEXTS[:3]))]
