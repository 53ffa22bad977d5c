"""Heads on encoders: parameter counts known from the study, and folders that give the same answers again."""

import json

import pytest
import tiny

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.models import find_model, load_classifier, load_encoder, load_tokenizer

LABELS = ["negative", "neutral", "positive"]
TEXTS = ["the movie was great", "bad", "i loved the superb plot and the cast of this boring film"]


def headed(folder, kind="bert", head="space"):
    """Write a tiny encoder, and a classifier of it and a random head; returns the latter and its folder."""
    import torch

    from slmbench.models.headed import PooledHead, SpaceHead, put_head

    encoder = load_encoder(find_model(str(tiny.model_folder(folder / "base", kind))))
    torch.manual_seed(1)
    made = SpaceHead(32, 3, latents=4) if head == "space" else PooledHead(32, 3, normalize=True)
    classifier = put_head(encoder, made, LABELS).eval()
    classifier.save_pretrained(folder / "model", safe_serialization=True)
    tiny.wordpiece(folder / "model", kind)
    return classifier, folder / "model"


def answers(model, folder, texts=TEXTS):
    import torch

    with torch.inference_mode():
        return model.eval()(**load_tokenizer(folder)(texts, return_tensors="pt", padding=True)).logits


def on_meta(name, **changes):
    """A classifier of real size, whose weights take no memory."""
    import torch
    import transformers

    config = getattr(transformers, f"{name}Config")(**changes)
    with torch.device("meta"):
        return transformers.AutoModelForSequenceClassification.from_config(config)


XLNET_BASE = {"d_model": 768, "n_layer": 12, "n_head": 12, "d_inner": 3072}


@pytest.mark.parametrize(
    ("name", "changes", "trained"),
    [
        ("Bert", {}, 1_538),
        ("Bert", {"num_labels": 3}, 2_307),
        ("XLNet", XLNET_BASE, 1_538),
        ("DistilBert", {}, 592_130),
    ],
)
def test_native_heads_of_study_002(name, changes, trained):
    from slmbench.models import count_parameters
    from slmbench.models.native_heads import native_head

    model = on_meta(name, **changes)
    native_head(model).freeze_below(model)
    assert count_parameters(model).trainable == trained


@pytest.mark.parametrize(("labels", "latents", "trained"), [(2, 3, 4_622), (2, 128, 197_122), (3, 3, 6_942)])
def test_space_heads_of_study_002(labels, latents, trained):
    from slmbench.models import count_parameters
    from slmbench.models.headed import SpaceHead

    assert count_parameters(SpaceHead(768, labels, latents)).trainable == trained


@pytest.mark.parametrize("kind", tiny.ARCHITECTURES)
@pytest.mark.parametrize("head", ["space", "pooled"])
def test_a_saved_classifier_answers_as_it_did(kind, head, tmp_path):
    import torch

    model, folder = headed(tmp_path, kind, head)
    logits = answers(model, folder)
    assert logits.shape == (3, 3)
    again = load_classifier(find_model(str(folder)), LABELS)
    assert torch.equal(answers(again, folder), logits)
    # Padding changes nothing, on whichever side the architecture wants it.
    alone = torch.cat([answers(model, folder, [text]) for text in TEXTS])
    assert torch.allclose(alone, logits, atol=1e-5)


def test_the_folder_is_one_of_hugging_face(tmp_path):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoModelForSequenceClassification

    model, folder = headed(tmp_path)
    configuration = json.loads((folder / "config.json").read_text())
    assert configuration["model_type"] == "bert"
    assert configuration["id2label"] == {"0": "negative", "1": "neutral", "2": "positive"}
    assert configuration["slmbench_head"] == {"kind": "space", "latents": 4}
    names = set(load_file(folder / "model.safetensors"))
    assert {name for name in names if not name.startswith("bert.")} == {
        "head.spaces.weight",
        "head.classifier.weight",
        "head.classifier.bias",
    }
    assert not any("pooler" in name for name in names)
    wanted = model.encoder.state_dict()
    for loaded in (
        AutoModel.from_pretrained(folder),
        AutoModelForSequenceClassification.from_pretrained(folder).base_model,
    ):
        found = loaded.state_dict()
        assert all(torch.equal(found[name], weights) for name, weights in wanted.items())


def test_a_head_of_other_labels_is_replaced_by_a_fresh_one(tmp_path):
    import torch

    model, folder = headed(tmp_path)
    fresh = load_classifier(find_model(str(folder)), ["no", "yes"], layers=1, new_head=True)
    assert answers(fresh, folder).shape == (3, 2)
    assert fresh.head.spaces.weight.abs().max() < 1
    assert fresh.head.spaces.weight.std() > 0.01
    assert fresh.config.num_hidden_layers == 1
    name = "encoder.layer.0.output.dense.weight"
    assert torch.equal(fresh.encoder.state_dict()[name], model.encoder.state_dict()[name])


def test_the_head_of_transformers_can_take_its_place(tmp_path):
    _, folder = headed(tmp_path)
    native = load_classifier(find_model(str(folder)), LABELS, native_head=True, new_head=True)
    assert type(native).__name__ == "BertForSequenceClassification"
    native.save_pretrained(tmp_path / "native")
    assert "slmbench_head" not in json.loads((tmp_path / "native" / "config.json").read_text())


def test_normalising_makes_the_length_of_the_mean_irrelevant():
    import torch

    from slmbench.models.headed import PooledHead

    head, plain = PooledHead(8, 2, normalize=True), PooledHead(8, 2, normalize=False)
    tokens = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    assert torch.allclose(head(tokens, mask), head(7 * tokens, mask), atol=1e-6)
    assert not torch.allclose(plain(tokens, mask), plain(7 * tokens, mask), atol=1e-2)
    assert torch.allclose(plain(tokens, mask)[1], plain.linear(tokens[1, :2].mean(0)), atol=1e-6)


def test_with_labels_there_is_a_loss_to_train_on(tmp_path):
    import torch

    model, folder = headed(tmp_path)
    batch = load_tokenizer(folder)(TEXTS, return_tensors="pt", padding=True)
    said = model(**batch, labels=torch.tensor([2, 0, 2]))
    wanted = float(torch.nn.functional.cross_entropy(said.logits, torch.tensor([2, 0, 2])))
    assert float(said.loss) == pytest.approx(wanted)
    said.loss.backward()
    assert model.head.spaces.weight.grad.abs().sum() > 0
    assert model.encoder.embeddings.word_embeddings.weight.grad.abs().sum() > 0


def test_damaged_weights_are_said_in_a_sentence(tmp_path):
    _, folder = headed(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SlmbenchError, match="cannot be loaded as a classifier"):
        load_classifier(find_model(str(folder)), LABELS)
    with pytest.raises(SlmbenchError, match="cannot be loaded as an encoder"):
        load_encoder(find_model(str(folder)))


def test_an_architecture_whose_head_is_not_known():
    import transformers

    from slmbench.models.native_heads import native_head

    config = transformers.FNetConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, intermediate_size=8)
    with pytest.raises(UsageError, match="--method linear does not know the head of architecture 'fnet'"):
        native_head(transformers.AutoModelForSequenceClassification.from_config(config))
