"""``--vocabulary corpus`` from training to the edge: fewer pieces, the same answers where the pieces are known."""

import numpy as np
import pytest
from tiny import model_folder

from slmbench.common.errors import UsageError
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune

OPTIONS = {"epochs": 2, "max_length": 32, "precision": "fp32", "device": "cpu", "learning_rate": 5e-3}


@pytest.fixture(autouse=True)
def _own_places(monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=40)


def test_a_trimmed_model_is_trained_exported_and_run_like_any_other(tiny_base, corpus, tmp_path):
    whole = finetune(str(tiny_base), corpus, TrainingOptions(**OPTIONS), output=tmp_path / "whole")
    options = TrainingOptions(**OPTIONS, vocabulary="corpus")
    run = finetune(str(tiny_base), corpus, options, output=tmp_path / "trimmed")
    effect = run.details["vocabulary"]
    assert effect["pieces"] < effect["whole_pieces"] == 130
    assert effect["test_reviews"] == len(corpus.test)
    assert effect["labels_changed"] <= effect["with_other_pieces"] <= effect["test_reviews"]
    assert run.total_parameters == whole.total_parameters - 32 * (130 - effect["pieces"])
    assert run.key != whole.key
    assert run.hyperparameters["vocabulary"] == "corpus"
    assert "vocabulary" not in whole.hyperparameters
    # AdamW sees each row of the table by itself: those that stay are trained as they were.
    logits = [np.load(tmp_path / name / "test_logits.npy") for name in ("whole", "trimmed")]
    alike = np.abs(logits[0] - logits[1]).max(-1) < 1e-3
    assert alike.sum() >= len(corpus.test) - effect["with_other_pieces"]
    assert any("pieces" in note for note in run.notes)
    bundle = export(tmp_path / "trimmed", forms=["fp32", "int8"], max_accuracy_drop=0.5, output=tmp_path / "bundle")
    assert bundle.forms["fp32"].parity.label_flips == 0
    answers = Classifier(tmp_path / "bundle", form="fp32").predict_logits(corpus.test.texts)
    assert answers == pytest.approx(logits[1], abs=1e-3)


def test_adapters_go_on_a_trimmed_model(tiny_base, corpus, tmp_path):
    options = TrainingOptions(**{**OPTIONS, "epochs": 1}, method="lora", vocabulary="corpus", lora_targets=("query",))
    run = finetune(str(tiny_base), corpus, options, output=tmp_path / "run")
    assert run.details["vocabulary"]["pieces"] < 130


def test_a_tokenizer_that_cannot_be_trimmed_is_refused_before_the_training(corpus, tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    base = model_folder(tmp_path / "base")
    pieces = Tokenizer(models.Unigram([("[UNK]", 0.0), ("[PAD]", 0.0), ("a", -1.0)], unk_id=0))
    PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(base)
    with pytest.raises(UsageError, match="Unigram"):
        finetune(str(base), corpus, TrainingOptions(**OPTIONS, vocabulary="corpus"), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
