"""What makes training on a CPU fast gives the weights that training without it gives, or says what it leaves out."""

import numpy as np
import pytest
import tiny
import torch
from safetensors.numpy import load_file

from slmbench.common.errors import UsageError
from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.methods.training.cpu import bf16_training
from slmbench.methods.training.lower_layers import LowerLayers
from slmbench.models import load_tokenizer

OPTIONS = {
    "epochs": 1,
    "max_length": 32,
    "precision": "fp32",
    "device": "cpu",
    "learning_rate": 5e-3,
    "batch_size": 8,
}
TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=44, test_size=20)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def trained(base, corpus, folder, **given):
    record = finetune(str(base), corpus, TrainingOptions(**{**OPTIONS, **given}), output=folder)
    return record, load_file(folder / "model" / "model.safetensors")


def test_two_workers_learn_what_one_learns_and_the_same_each_time(tiny_base, corpus, tmp_path, threads):
    threads(1)
    _, one = trained(tiny_base, corpus, tmp_path / "one")
    threads(2)
    _, two = trained(tiny_base, corpus, tmp_path / "two")
    assert torch.get_num_threads() == 2
    _, again = trained(tiny_base, corpus, tmp_path / "again")
    for name, weights in one.items():
        assert two[name] == pytest.approx(weights, abs=2e-3), name
        assert (two[name] == again[name]).all(), name


def test_with_dropout_too_two_trainings_are_alike(tiny_base, corpus, tmp_path, threads):
    threads(2)
    runs = [trained(tiny_base, corpus, tmp_path / name, dropout=0.3)[1] for name in ("one", "again")]
    assert all((runs[0][name] == runs[1][name]).all() for name in runs[0])


def test_rows_of_the_table_that_no_review_uses_stay_as_they_were(tiny_base, corpus, tmp_path):
    _, after = trained(tiny_base, corpus, tmp_path / "run")
    before = load_file(tiny_base / "model.safetensors")[TABLE]
    texts = [*corpus.train.texts, *corpus.validation.texts]
    used = sorted({token for ids in load_tokenizer(tiny_base)(texts)["input_ids"] for token in ids})
    others = sorted(set(range(len(before))) - set(used) - {0})
    assert others and after[TABLE].shape == before.shape
    assert (after[TABLE][others] == before[others]).all()
    assert (after[TABLE][used] != before[used]).any(-1).all()


def test_layers_hand_on_bf16_within_a_training_only():
    model = classifier("bert")
    ids = torch.tensor([[2, 7, 8, 3]])
    with bf16_training(model), torch.autocast("cpu", torch.bfloat16):
        assert model.bert(ids)[0].dtype == torch.bfloat16
    assert model.bert(ids)[0].dtype == torch.float32


def classifier(kind):
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(tiny.configuration(kind)).eval()


@pytest.mark.parametrize("kind", tiny.ARCHITECTURES)
def test_cached_lower_layers_answer_as_the_layers_do(kind, tmp_path):
    tiny.wordpiece(tmp_path, kind)
    tokenizer = load_tokenizer(tmp_path)
    model = classifier(kind)
    model.config.pad_token_id = tokenizer.pad_token_id
    texts = ["good movie", "a bad and boring film it was"]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    how = {"weights_sha256": kind, "max_length": 32, "precision": "fp32", "progress": SILENT}

    def answers():
        lower = LowerLayers(model, 1)
        outputs = lower.outputs(tokenizer, texts, **how)
        with torch.inference_mode(), lower.left_out():
            lower.use(outputs([0, 1], batch["input_ids"].shape[1]))
            changed = {**batch, "input_ids": torch.full_like(batch["input_ids"], 5)}
            return model(**changed).logits

    if kind in ("albert", "xlnet"):
        with pytest.raises(UsageError, match="--frozen-layers"):
            answers()
        return
    with torch.inference_mode():
        wanted = model(**batch).logits
        assert torch.allclose(answers(), wanted, atol=2e-3)
        assert torch.allclose(answers(), wanted, atol=2e-3)  # now from the cache
        assert torch.equal(model(**batch).logits, wanted)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_frozen_layers_are_those_of_the_model_before(tiny_base, corpus, tmp_path, threads, method):
    threads(2)
    record, after = trained(tiny_base, corpus, tmp_path / "run", method=method, frozen_layers=1)
    before = load_file(tiny_base / "model.safetensors")
    alike = {name for name in before if name in after and np.array_equal(before[name], after[name])}
    assert {name for name in after if ".layer.0." in name or "embeddings" in name} <= alike
    assert "bert.encoder.layer.1.attention.self.query.weight" not in alike
    assert record.hyperparameters["frozen_layers"] == 1
    assert record.trainable_parameters < record.total_parameters - before[TABLE].size


def test_as_many_frozen_layers_as_there_are_leave_nothing_to_train(tiny_base, corpus, tmp_path):
    with pytest.raises(UsageError, match="--frozen-layers 2"):
        trained(tiny_base, corpus, tmp_path / "run", frozen_layers=2)
