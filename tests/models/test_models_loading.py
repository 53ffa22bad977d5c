"""Loading classifiers: labels, layers, dropout, tokenizers, positions; for every architecture."""

import json
import shutil

import pytest
import tiny

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.models import ModelFiles, find_model, load_classifier, load_tokenizer
from slmbench.models.configuration import position_limit

LABELS = ["negative", "positive"]


@pytest.fixture(scope="module", params=tiny.ARCHITECTURES)
def files(request, tmp_path_factory):
    folder = tiny.model_folder(tmp_path_factory.mktemp("models") / request.param, request.param)
    return ModelFiles(request.param, folder, "directory")


def hidden_states(model):
    import torch

    model.eval()
    with torch.inference_mode():
        return model(input_ids=torch.tensor([[2, 7, 8, 9, 3]]), output_hidden_states=True).hidden_states


def test_layers_keeps_the_first_ones(files):
    whole, cut = load_classifier(files, LABELS), load_classifier(files, LABELS, layers=1)
    assert len(hidden_states(whole)) == 3
    assert len(hidden_states(cut)) == 2
    assert cut.config.num_hidden_layers == 1
    # What the kept layer is given and what it makes of it are those of the whole model: the same weights.
    assert hidden_states(cut)[0].equal(hidden_states(whole)[0])
    if files.name != "modernbert":  # which normalises the last state it returns
        assert hidden_states(cut)[1].allclose(hidden_states(whole)[1], atol=1e-6)


@pytest.mark.parametrize("layers", [0, 3])
def test_layers_that_there_are_not(files, layers):
    with pytest.raises(UsageError, match=f"--layers {layers}: '{files.name}' has 2 encoder layers"):
        load_classifier(files, LABELS, layers=layers)


def test_a_model_cut_to_fewer_layers_is_saved_as_such(files, tmp_path):
    load_classifier(files, LABELS, layers=1).save_pretrained(tmp_path / "cut")
    again = load_classifier(ModelFiles("cut", tmp_path / "cut", "directory"), LABELS)
    assert len(hidden_states(again)) == 2


def test_dropout_is_set_everywhere(files):
    from torch import nn

    model = load_classifier(files, LABELS, dropout=0.0)
    assert all(module.p == 0 for module in model.modules() if isinstance(module, nn.Dropout))


def test_the_head_gets_the_labels(files):
    model = load_classifier(files, ["bad", "fair", "good"], new_head=True)
    assert model.config.id2label == {0: "bad", 1: "fair", 2: "good"}
    assert model.config.label2id == {"bad": 0, "fair": 1, "good": 2}
    assert model.num_labels == 3


@pytest.mark.parametrize("kind", tiny.ARCHITECTURES)
def test_position_limit_is_the_longest_input_that_runs(kind):
    import torch
    from transformers import AutoModelForSequenceClassification

    # The first position of a RoBERTa is the one after its padding id, which is 1 in the published models.
    config = tiny.configuration(kind, **({"pad_token_id": 1} if kind == "roberta" else {}))
    limit = position_limit(config)
    if kind == "xlnet":
        assert limit is None
        return
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.inference_mode():
        model(input_ids=torch.full((1, limit), 7))
    if kind not in ("deberta-v2", "modernbert"):  # which also look at distances, and may run on
        with torch.inference_mode(), pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, limit + 1), 7))


def test_a_head_of_as_many_labels_is_kept(tiny_run):
    saved = find_model(str(tiny_run))
    first, second = load_classifier(saved, LABELS), load_classifier(saved, ["no", "yes"])
    assert first.classifier.weight.equal(second.classifier.weight)
    assert second.config.id2label == {0: "no", 1: "yes"}


def test_a_damaged_configuration(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text("{")
    with pytest.raises(SlmbenchError, match=r"the configuration of '.*' cannot be read"):
        load_classifier(find_model(str(tmp_path / "model")), LABELS)


def test_an_architecture_nobody_knows(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "brontosaurus"}))
    with pytest.raises(SlmbenchError, match="cannot be read: .*brontosaurus"):
        load_classifier(find_model(str(tmp_path / "model")), LABELS)


def test_truncated_weights(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(SlmbenchError, match=r"cannot be loaded as a classifier: .+"):
        load_classifier(find_model(str(tmp_path / "model")), LABELS)


def test_a_folder_without_tokenizer(tmp_path):
    with pytest.raises(SlmbenchError, match=r"the tokenizer in .* cannot be read"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_padding_gets_it(tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "</s>": 1}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", eos_token="</s>").save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).pad_token == "</s>"


@pytest.mark.parametrize("kind", ["distilbert", "mpnet", "modernbert"])
def test_token_types_are_left_out_where_the_model_takes_none(tmp_path, kind):
    folder = tiny.model_folder(tmp_path / kind, kind)
    tiny.wordpiece(folder, "bert")
    tokenizer = load_tokenizer(folder)
    batch = tokenizer(["good"], return_tensors="pt")
    assert "token_type_ids" not in batch
    assert load_classifier(find_model(str(folder)), LABELS)(**batch).logits.shape == (1, 2)
    tokenizer.save_pretrained(tmp_path / "saved")
    shutil.copy(folder / "config.json", tmp_path / "saved")
    assert "token_type_ids" not in load_tokenizer(tmp_path / "saved")("good")


def test_a_tokenizer_cuts_where_it_is_told(tiny_base):
    assert len(load_tokenizer(tiny_base, max_length=8)("good " * 50, truncation=True)["input_ids"]) == 8
