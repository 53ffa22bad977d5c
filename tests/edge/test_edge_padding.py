"""Batches of models that pad on the left: the answers are those of each text alone."""

import json

import numpy as np
import pytest
import tiny
from learnable import reviews, write_reviews

from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xlnet")
    corpus = load_corpus(str(write_reviews(folder / "reviews.csv", ["negative", "positive"], 100)), train_size=40)
    base = tiny.model_folder(folder / "base", "xlnet")
    options = TrainingOptions(epochs=1, max_length=24, learning_rate=5e-3, precision="fp32", truncation_side="left")
    finetune(str(base), corpus, options, output=folder / "run")
    export(folder / "run", forms=["fp32"], output=folder / "bundle")
    return folder / "bundle"


def test_the_bundle_pads_as_the_model_was_trained(bundle):
    tokenizer = json.loads((bundle / "tokenizer.json").read_text())
    padding = tokenizer["padding"]
    assert (padding["direction"], padding["pad_type_id"], padding["pad_token"]) == ("Left", 3, "[PAD]")
    assert tokenizer["truncation"]["direction"] == "Left"


def test_a_batch_padded_on_the_left_answers_as_each_text_alone(bundle):
    classifier = Classifier(bundle)
    texts = ["", "good", *(text for text, _ in reviews(["negative", "positive"], 30))]
    alone = classifier.predict_logits(texts)
    assert classifier.predict_logits(texts, batch_tokens=10_000) == pytest.approx(alone, abs=1e-5)
    assert np.ptp(alone[:, 0]) > 1e-4


def test_a_batch_is_what_transformers_makes_of_it(bundle):
    import onnxruntime
    from transformers import AutoTokenizer

    texts = ["good", "a very bad movie but the music is fine"]
    batch = AutoTokenizer.from_pretrained(bundle)(texts, padding=True, return_tensors="np")
    assert batch["input_ids"][0, 0] == 0  # the shorter one is padded on the left
    session = onnxruntime.InferenceSession(bundle / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    feed = {node.name: batch[node.name].astype(np.int64) for node in session.get_inputs()}
    (logits,) = session.run(["logits"], feed)
    assert Classifier(bundle).predict_logits(texts, batch_tokens=1000) == pytest.approx(logits, abs=1e-5)
