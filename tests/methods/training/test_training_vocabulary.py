"""``--vocabulary corpus`` from training to the edge: unused pieces share rows, tokens and known answers stay."""

import numpy as np
import onnx
import pytest
import torch
from tiny import model_folder

from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.methods.training.inference import classifier_logits
from slmbench.methods.training.vocabulary import share_unused_rows
from slmbench.models import find_model, load_classifier, load_tokenizer

OPTIONS = {"epochs": 2, "max_length": 32, "precision": "fp32", "device": "cpu", "learning_rate": 5e-3}
CORPUS = ["the film was great", "a boring plot", "we loved it 7 times"]
LABELS = ["negative", "positive"]


@pytest.fixture(autouse=True)
def _own_places(monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=40)


@pytest.mark.parametrize("kind", ["bert", "albert", "mpnet", "xlnet", "modernbert"])
def test_unused_pieces_take_the_row_of_the_nearest_used_one(kind, tmp_path):
    folder = model_folder(tmp_path / kind, kind)
    model, tokenizer = load_classifier(find_model(str(folder)), LABELS, new_head=True).eval(), load_tokenizer(folder)
    before = model.get_input_embeddings().weight.detach().clone()
    answers = classifier_logits(model, tokenizer, CORPUS, 32, SILENT)

    effect = share_unused_rows(model, tokenizer, CORPUS, [*CORPUS, "superb"], 32, SILENT)

    used = {i for text in CORPUS for i in tokenizer(text)["input_ids"]}
    own = sorted(used | set(tokenizer.all_special_ids))
    after = model.get_input_embeddings().weight.detach()
    assert (effect.pieces, effect.whole_pieces) == (len(own), len(before))
    assert (effect.test_reviews, effect.with_other_pieces) == (4, 1)
    assert torch.equal(after[own], before[own])
    lent = sorted(used - set(tokenizer.all_special_ids))
    for row in set(range(len(before))) - set(own):
        nearest = torch.nn.functional.cosine_similarity(before[row], before[lent]).argmax()
        assert torch.equal(after[row], before[lent[nearest]])
    assert classifier_logits(model, tokenizer, CORPUS, 32, SILENT) == pytest.approx(answers, abs=1e-6)


def test_it_is_trained_exported_and_run_like_any_other(tiny_base, corpus, tmp_path):
    whole = finetune(str(tiny_base), corpus, TrainingOptions(**OPTIONS), output=tmp_path / "whole")
    run = finetune(
        str(tiny_base), corpus, TrainingOptions(**OPTIONS, vocabulary="corpus"), output=tmp_path / "shared"
    )
    effect = run.details["vocabulary"]
    assert effect["pieces"] < effect["whole_pieces"] == 130
    assert run.key != whole.key
    assert run.hyperparameters["vocabulary"] == "corpus"
    assert "vocabulary" not in whole.hyperparameters
    assert any("pieces" in note for note in run.notes)
    logits = [np.load(tmp_path / name / "test_logits.npy") for name in ("whole", "shared")]
    assert (np.abs(logits[0] - logits[1]).max(-1) > 1e-5).sum() <= effect["with_other_pieces"]
    assert (logits[0].argmax(-1) != logits[1].argmax(-1)).sum() == effect["labels_changed"]

    forms = ["fp32", "fused", "int8", "int8-int4"]
    bundle = export(tmp_path / "shared", forms=forms, max_accuracy_drop=0.5, output=tmp_path / "bundle")
    assert bundle.forms["fp32"].parity.label_flips == 0
    graph = onnx.load(str(tmp_path / "bundle" / bundle.forms["fp32"].file)).graph
    assert [effect["pieces"], 32] in [list(one.dims) for one in graph.initializer]
    others = "zebra quiz vex"  # pieces that no review has
    for form in ("fp32", "fused"):
        answers = Classifier(tmp_path / "bundle", form=form).predict_logits([*corpus.test.texts, others])
        assert answers[:-1] == pytest.approx(logits[1], abs=1e-3)
        assert np.isfinite(answers).all()


def test_adapters_go_on_shared_rows(tiny_base, corpus, tmp_path):
    options = TrainingOptions(**{**OPTIONS, "epochs": 1}, method="lora", vocabulary="corpus", lora_targets=("query",))
    run = finetune(str(tiny_base), corpus, options, output=tmp_path / "run")
    assert run.details["vocabulary"]["pieces"] < 130
