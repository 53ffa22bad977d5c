"""A model is read from its checkpoint or refused: only a new head may start at random, and then that is said."""

import json

import pytest
import tiny
from listener import Listener

from slmbench.common.errors import SlmbenchError
from slmbench.models import ModelFiles, load_classifier, load_encoder, load_tokenizer
from slmbench.models.configuration import position_limit

LABELS = ["negative", "positive"]


@pytest.fixture(params=["bert", "distilbert", "roberta", "xlnet"])
def folder(request, tmp_path):
    return tiny.model_folder(tmp_path / request.param, request.param)


def change_weights(folder, change):
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def files_of(folder):
    return ModelFiles(folder.name, folder, "directory")


def without(*words):
    return lambda weights: {name: tensor for name, tensor in weights.items() if not any(w in name for w in words)}


def test_a_checkpoint_without_its_head_is_not_a_classifier(folder):
    change_weights(folder, without("classifier.", "logits_proj"))
    with pytest.raises(SlmbenchError, match=r"no trained head .*missing: (classifier\.|logits_proj)"):
        load_classifier(files_of(folder), LABELS)


def test_a_new_head_to_train_is_said(folder):
    whole = load_classifier(files_of(folder), LABELS)
    change_weights(folder, without("classifier.", "logits_proj"))
    listener = Listener()
    model = load_classifier(files_of(folder), LABELS, new_head=True, progress=listener)
    assert len(listener.said) == 1
    assert "new classification head" in listener.said[0]
    prefix = f"{model.base_model_prefix}."
    kept = {name: tensor for name, tensor in whole.state_dict().items() if name.startswith(prefix)}
    assert all(model.state_dict()[name].equal(tensor) for name, tensor in kept.items())


def test_a_head_that_is_there_is_not_announced(folder):
    listener = Listener()
    load_classifier(files_of(folder), LABELS, new_head=True, progress=listener)
    assert listener.said == []


@pytest.mark.parametrize("new_head", [False, True])
def test_an_embedding_table_of_another_size_is_never_drawn(folder, new_head):
    change_config(folder, vocab_size=170)
    with pytest.raises(SlmbenchError, match=r"of another shape: .*\[130, 32\] instead of \[170, 32\]"):
        load_classifier(files_of(folder), LABELS, new_head=new_head)
    with pytest.raises(SlmbenchError, match=r"do not fit its config\.json"):
        load_encoder(files_of(folder))


@pytest.mark.parametrize("new_head", [False, True])
def test_more_layers_than_the_checkpoint_has_are_never_drawn(tmp_path, new_head):
    folder = tiny.model_folder(tmp_path / "model", "bert")
    change_config(folder, num_hidden_layers=3)
    with pytest.raises(SlmbenchError, match=r"missing: bert\.encoder\.layer\.2\..* and \d+ more"):
        load_classifier(files_of(folder), LABELS, new_head=new_head)


def test_weights_under_other_names_are_named(tmp_path):
    folder = tiny.model_folder(tmp_path / "model", "bert")
    change_weights(folder, lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()})
    with pytest.raises(SlmbenchError, match=r"missing: .*unexpected: module\."):
        load_classifier(files_of(folder), LABELS, new_head=True)


def test_a_pooler_is_part_of_the_head(tmp_path):
    """Encoders are published without one: it is new where a head is, and a finished classifier has to have it."""
    folder = tiny.model_folder(tmp_path / "model", "bert")
    change_weights(folder, without("pooler"))
    load_encoder(files_of(folder))
    load_classifier(files_of(folder), LABELS, new_head=True)
    with pytest.raises(SlmbenchError, match=r"missing: bert\.pooler"):
        load_classifier(files_of(folder), LABELS)


def test_a_tokenizer_with_more_tokens_than_the_model_has_rows(tmp_path):
    folder = tiny.model_folder(tmp_path / "model", "bert", vocab_size=100)
    with pytest.raises(SlmbenchError, match=r"tokens more than the model's embedding table has rows \(100; '"):
        load_tokenizer(folder)


def test_a_token_added_beyond_the_table(tmp_path):
    folder = tiny.model_folder(tmp_path / "model", "bert")
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([f"<new-{number}>" for number in range(130 - len(tokenizer) + 1)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(SlmbenchError, match="has 1 token more"):
        load_tokenizer(folder)


@pytest.mark.parametrize(("kind", "pad_id"), [("roberta", 0), ("roberta", 1), ("roberta", 5), ("mpnet", 0)])
def test_positions_begin_after_the_padding_id(kind, pad_id):
    import torch
    from transformers import AutoModelForSequenceClassification

    config = tiny.configuration(kind, pad_token_id=pad_id)
    limit = position_limit(config)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.inference_mode():
        model(input_ids=torch.full((1, limit), 7))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, limit + 1), 7))


def test_a_tokenizer_without_words_is_one_sentence(tmp_path):
    folder = tiny.model_folder(tmp_path / "empty", "bert")
    file = folder / "tokenizer.json"
    document = json.loads(file.read_text())
    document["model"]["vocab"] = {}
    file.write_text(json.dumps(document))
    with pytest.raises(SlmbenchError, match="tokenizer"):
        load_tokenizer(folder)
