"""Heads on a frozen encoder, from reviews to the app: what the edge runtime answers is what was trained."""

import numpy as np
import pytest
import tiny
from learnable import write_reviews

from slmbench.common.errors import SlmbenchError
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.edge.runtime import OnnxBackend
from slmbench.export import export
from slmbench.export.exporter import export_onnx
from slmbench.export.run_forms import write_tokenizer
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.models import find_model, load_encoder, load_tokenizer

QUICK = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-2, "max_length": 24, "precision": "fp32", "device": "cpu"}
CASES = [("space", kind) for kind in tiny.ARCHITECTURES] + [("linear", kind) for kind in ("bert", "mpnet", "xlnet")]


@pytest.mark.parametrize(("method", "kind"), CASES)
def test_from_reviews_to_the_app(method, kind, tmp_path):
    labels = ["negative", "positive"]
    corpus = load_corpus(str(write_reviews(tmp_path / "reviews.csv", labels, 120)), train_size=40)
    base = tiny.model_folder(tmp_path / "base", kind)
    finetune(str(base), corpus, TrainingOptions(method, **QUICK), output=tmp_path / "run")
    bundle = export(tmp_path / "run", output=tmp_path / "bundle", max_accuracy_drop=1)
    assert (bundle.architecture, bundle.method) == (kind, method)
    assert bundle.forms["fp32"].accepted
    assert bundle.forms["fp32"].parity.label_flips == 0
    assert bundle.forms["fp32"].parity.max_abs_logit_diff < 1e-4

    logits = np.load(tmp_path / "run" / "test_logits.npy")
    texts = corpus.test.texts
    fp32 = Classifier(tmp_path / "bundle", form="fp32")
    assert [answer.label for answer in fp32.predict(texts)] == [labels[row.argmax()] for row in logits]
    # Padded to the longest of a batch, on the side the architecture wants, the answers are the same.
    assert fp32.predict_logits(texts, batch_tokens=256) == pytest.approx(logits, abs=1e-4)
    int8 = Classifier(tmp_path / "bundle", form="int8").predict_logits(texts)
    assert int8 == pytest.approx(logits, abs=0.5)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "mpnet", "xlnet"])
def test_a_pooled_head_in_one_graph(kind, tmp_path):
    import onnx
    import torch

    from slmbench.models.headed import PooledHead, put_head

    base = tiny.model_folder(tmp_path / "base", kind)
    labels, texts = ["a", "b", "c"], ["the movie was great", "bad", "i loved the superb plot"]
    classifier = put_head(load_encoder(find_model(str(base))), PooledHead(32, 3, normalize=True), labels).eval()
    classifier.save_pretrained(tmp_path / "model", safe_serialization=True)
    tiny.wordpiece(tmp_path / "model", kind)
    export_onnx(tmp_path / "model", tmp_path / "out" / "model.onnx")
    write_tokenizer(tmp_path / "model", tmp_path / "out", 24)

    graph = onnx.load(tmp_path / "out" / "model.onnx").graph
    assert {node.name for node in graph.input} <= {"input_ids", "attention_mask", "token_type_ids"}
    assert [node.name for node in graph.output] == ["logits"]
    with torch.inference_mode():
        batch = load_tokenizer(base)(texts, return_tensors="pt", padding=True)
        wanted = classifier(**batch).logits.numpy()
    backend = OnnxBackend(tmp_path / "out", tmp_path / "out" / "model.onnx", None)
    assert backend.logits(backend.encode(texts)) == pytest.approx(wanted, abs=1e-5)
    assert backend.logits(backend.encode(texts[1:2])) == pytest.approx(wanted[1:2], abs=1e-5)


def test_an_architecture_optimum_does_not_know(tmp_path):
    from transformers import FNetConfig, FNetModel

    from slmbench.models.headed import PooledHead, put_head, without_pooler

    folder = tmp_path / "model"
    tiny.wordpiece(folder)
    size = FNetConfig(vocab_size=130, hidden_size=32, num_hidden_layers=1, intermediate_size=64)
    encoder = without_pooler(FNetModel(size))
    put_head(encoder, PooledHead(32, 2), ["negative", "positive"]).save_pretrained(folder)
    with pytest.raises(SlmbenchError, match="Optimum cannot export architecture 'fnet' to ONNX"):
        export_onnx(folder, tmp_path / "model.onnx")
