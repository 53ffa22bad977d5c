"""A bundle is loaded by Optimum and transformers without knowing slmbench."""

import numpy as np
import pytest
from learnable import reviews

from slmbench.edge import Classifier

FILES = {
    "fp32": {"subfolder": "onnx", "file_name": "model.onnx"},
    "int8": {"subfolder": "onnx", "file_name": "model_quantized.onnx"},
}
TEXTS = [text for text, _ in reviews(["negative", "positive"], 60, seed=5)]


def optimum_logits(bundle, **files):
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    model = ORTModelForSequenceClassification.from_pretrained(bundle, **files)
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    rows = [model(**tokenizer(text, truncation=True, return_tensors="np")).logits[0] for text in TEXTS]
    return model, np.stack(rows)


@pytest.mark.parametrize("form", FILES)
def test_optimum_gives_the_same_labels(tiny_bundle, form):
    model, logits = optimum_logits(tiny_bundle, **FILES[form])
    found = [model.config.id2label[row.argmax()] for row in logits]
    predictions = Classifier(tiny_bundle, form=form).predict(TEXTS)
    assert found == [prediction.label for prediction in predictions]
    assert set(found) == {"negative", "positive"}
    assert logits == pytest.approx(Classifier(tiny_bundle, form=form).predict_logits(TEXTS), abs=1e-5)


def test_optimum_finds_the_fp32_form_by_itself(tiny_bundle):
    _, logits = optimum_logits(tiny_bundle)
    assert logits == pytest.approx(Classifier(tiny_bundle, form="fp32").predict_logits(TEXTS), abs=1e-5)


def test_a_pipeline_of_transformers_gives_the_same_answers(tiny_bundle):
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer, pipeline

    model = ORTModelForSequenceClassification.from_pretrained(tiny_bundle, **FILES["fp32"])
    classify = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(tiny_bundle))
    found = classify(TEXTS[:10], truncation=True)
    wanted = Classifier(tiny_bundle, form="fp32").predict(TEXTS[:10])
    assert [answer["label"] for answer in found] == [prediction.label for prediction in wanted]
    assert [answer["score"] for answer in found] == pytest.approx([p.score for p in wanted], abs=1e-5)
