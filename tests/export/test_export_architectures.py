"""Every architecture from corpus to app: fine-tuned, exported, and classified by the edge runtime."""

import numpy as np
import pytest
import tiny
from learnable import write_reviews

from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune

CASES = [(kind, "full", ["negative", "positive"]) for kind in tiny.ARCHITECTURES]
CASES += [("bert", "full", ["negative", "neutral", "positive"]), ("albert", "lora", ["negative", "positive"])]


@pytest.mark.parametrize(("kind", "method", "labels"), CASES)
def test_from_reviews_to_the_app(kind, method, labels, tmp_path):
    corpus = load_corpus(str(write_reviews(tmp_path / "reviews.csv", labels, 200)), train_size=40)
    base = tiny.model_folder(tmp_path / "base", kind)
    options = TrainingOptions(method, epochs=1, batch_size=16, learning_rate=5e-3, max_length=24, precision="fp32")
    run = finetune(str(base), corpus, options, output=tmp_path / "run")
    bundle = export(tmp_path / "run", output=tmp_path / "bundle", max_accuracy_drop=1)
    assert run.architecture == bundle.architecture == kind
    assert bundle.forms["fp32"].parity.label_flips == 0
    assert bundle.forms["fp32"].parity.max_abs_logit_diff < 1e-4

    logits = np.load(tmp_path / "run" / "test_logits.npy")
    texts = corpus.test.texts
    fp32 = Classifier(tmp_path / "bundle", form="fp32")
    assert fp32.predict_logits(texts) == pytest.approx(logits, abs=1e-4)
    assert [answer.label for answer in fp32.predict(texts)] == [labels[row.argmax()] for row in logits]
    assert list(fp32.predict("good")[0].scores) == labels
    # Padded to the longest of a batch, on the side the architecture wants, the answers are the same.
    assert fp32.predict_logits(texts, batch_tokens=256) == pytest.approx(logits, abs=1e-4)
    int8 = Classifier(tmp_path / "bundle", form="int8").predict_logits(texts)
    assert int8 == pytest.approx(logits, abs=0.5)
    assert (int8.argmax(1) == bundle.forms["int8"].predictions.predicted()).all()
