"""``--class-weight balanced``: a rare class is found; a model that gives one label only is said to."""

import csv
import random

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from tiny import WORDS, model_folder

from slmbench.corpora import load_corpus
from slmbench.methods.fewshot import fewshot
from slmbench.methods.known_methods import METHODS
from slmbench.methods.training import finetune
from slmbench.methods.training.losses import UNKNOWN_LABEL, class_weights, distillation_loss, weighted_cross_entropy

QUICK = {"max_length": 24, "precision": "fp32", "device": "cpu"}
#: Settings with which the plain loss answers "ok" to all, having seen 3 % of spam.
TRAINED = {
    "full": {**QUICK, "epochs": 2, "learning_rate": 1e-3, "batch_size": 32},
    "lora": {**QUICK, "epochs": 2, "learning_rate": 1e-2, "batch_size": 32},
    "linear": {**QUICK, "epochs": 20, "learning_rate": 1e-2},
    "space": {**QUICK, "epochs": 6, "learning_rate": 5e-3},
    "tfidf": {},
}


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """3,000 messages, 3 % of them spam: 9 of 10 spams begin with a word that 6 of 100 others begin with too.

    So of those with that word a third are spam, and answering "ok" to all is the most accurate there is.
    """
    generator = random.Random(7)
    file = tmp_path_factory.mktemp("rare") / "messages.csv"
    fillers = [word for word in WORDS if word != "superb"]
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["text", "label"])
        for number in range(3000):
            spam = number % 33 == 0
            words = generator.choices(fillers, k=8)
            if generator.random() < (0.9 if spam else 0.06):
                words[:3] = ["superb"] * 3
            writer.writerow([" ".join(words), "spam" if spam else "ok"])
    return load_corpus(str(file), train_size=1500, test_size=450, validation_fraction=0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A random BERT whose first token attends to the others, as a trained one's does: a frozen one can be learned."""
    return model_folder(tmp_path_factory.mktemp("base") / "tiny-bert", "bert", initializer_range=0.3)


def test_balanced_weights_are_those_of_scikit_learn():
    labels = [0] * 97 + [2] * 3
    weights = class_weights("balanced", labels, 3)
    known = compute_class_weight("balanced", classes=np.array([0, 2]), y=labels)
    # scikit-learn counts the classes that occur; a class without rows has no weight here.
    assert weights[[0, 2]] == pytest.approx(known * 2 / 3) and weights[1] == 0
    assert class_weights("none", labels, 3) is None


def test_the_loss_of_a_rare_row_weighs_what_the_batch_does_not_change():
    logits = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.5, 0.0]])
    labels = torch.tensor([0, 0, 1])
    weights = np.array([0.5, 10.0], dtype=np.float32)
    rows = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    wanted = (0.5 * rows[0] + 0.5 * rows[1] + 10 * rows[2]) / 3
    assert float(weighted_cross_entropy(logits, labels, weights)) == pytest.approx(float(wanted))
    # A batch of common rows alone stays light; torch's weighted mean would be 1 x the plain loss.
    assert float(weighted_cross_entropy(logits[:2], labels[:2], weights)) == pytest.approx(float(rows[:2].mean()) / 2)
    # In a distillation the true labels are weighted and the teacher's are not.
    plain = distillation_loss(logits, logits, labels, 1.0, 1.0, weights)
    assert float(plain) == pytest.approx(float(wanted))
    unknown = torch.full((3,), UNKNOWN_LABEL)
    assert float(distillation_loss(logits, logits, unknown, 1.0, 1.0, weights)) == pytest.approx(
        float(distillation_loss(logits, logits, unknown, 1.0, 1.0))
    )


@pytest.mark.parametrize("method", TRAINED)
def test_a_rare_class_is_found_with_balanced_weights(method, rare, base, tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    plain, balanced = (
        finetune(str(base), rare, method=method, class_weight=chosen, **TRAINED[method])
        for chosen in (None, "balanced")
    )
    assert balanced.test.macro_f1 > plain.test.macro_f1 + 0.05
    assert balanced.test.per_class["spam"]["recall"] > plain.test.per_class["spam"]["recall"]
    assert balanced.hyperparameters["class_weight"] == "balanced"
    # Keys and records of runs without it stay what they were.
    assert "class_weight" not in plain.hyperparameters
    assert balanced.key != plain.key and "balanced" in balanced.path


@pytest.mark.parametrize("method", ["probe", "setfit"])
def test_few_shots_have_equal_weights_by_themselves(method, rare, tiny_base, tmp_path, monkeypatch):
    if method == "setfit":
        pytest.importorskip("setfit")
    options = {"method": method, "shots": 4, "device": "cpu", "max_length": 24}
    plain, balanced = (
        fewshot(str(tiny_base), rare, class_weight=chosen, output=tmp_path / str(chosen), **options)
        for chosen in ("none", "balanced")
    )
    assert balanced.hyperparameters["class_weight"] == "balanced"
    assert balanced.predictions.probabilities == pytest.approx(np.array(plain.predictions.probabilities), abs=1e-5)


def test_every_method_that_trains_has_the_option():
    trained = {method.name for method in METHODS if any(option.name == "class_weight" for option in method.options)}
    assert {*TRAINED, "probe", "setfit"} <= trained


def test_a_model_that_gives_one_label_only_is_said_to(rare, tiny_base, tmp_path):
    options = {**TRAINED["full"], "epochs": 1}
    record = finetune(str(tiny_base), rare, output=tmp_path / "run", **options)
    assert record.test.only_answer == "ok"
    (sentence,) = [note for note in record.notes if "'ok'" in note]
    assert f"{100 * record.test.majority_baseline:.1f} %" in sentence
