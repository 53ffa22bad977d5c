"""LoRA: parameter counts known from the literature, and merging that changes nothing."""

import pytest
import tiny

from slmbench.common.errors import UsageError
from slmbench.methods.training import TrainingOptions
from slmbench.methods.training.transformer import add_adapters, merge_adapters
from slmbench.models import count_parameters


def classifier(config):
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    config.num_labels = 2
    return AutoModelForSequenceClassification.from_config(config)


def adapted(model, **chosen):
    options = TrainingOptions(method="lora", **chosen).for_model(model.config.model_type, model.config.hidden_size)
    return add_adapters(model, options)


def test_albert_base_has_the_trainable_parameters_of_study_001():
    from transformers import AlbertConfig

    config = AlbertConfig(
        vocab_size=30_000,
        embedding_size=128,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
    )
    # 4 x (768 + 3072) for the one shared feed-forward layer, and the head.
    assert count_parameters(adapted(classifier(config))).trainable == 16_898


def test_distilbert_base_has_the_trainable_parameters_of_study_001():
    from transformers import DistilBertConfig

    # 6 layers x 4 x (768 + 768), and the two layers of the head.
    assert count_parameters(adapted(classifier(DistilBertConfig()))).trainable == 628_994


@pytest.mark.parametrize("kind", tiny.ARCHITECTURES)
def test_merged_adapters_answer_as_they_did_before(kind):
    import torch

    model = classifier(tiny.configuration(kind))
    total = count_parameters(model).total
    inputs = torch.tensor([[2, 7, 8, 9, 10, 11, 3]])
    wrapped = adapted(model).eval()
    trainable = {name: weights for name, weights in wrapped.named_parameters() if weights.requires_grad}
    assert any("lora_A" in name for name in trainable)
    assert any("modules_to_save" in name for name in trainable)
    generator = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        plain = wrapped(input_ids=inputs).logits
        for weights in trainable.values():
            weights += torch.randn(weights.shape, generator=generator) * 0.05
        before = wrapped(input_ids=inputs).logits
        merged = merge_adapters(wrapped)
        after = merged(input_ids=inputs).logits
    assert not torch.allclose(before, plain, atol=1e-3)
    assert torch.allclose(before, after, atol=1e-5)
    assert count_parameters(merged).total == total
    assert not any("lora" in name for name, _ in merged.named_parameters())


def test_rank_and_targets_set_the_number_of_trainable_parameters():
    head = 32 * 2 + 2
    wide = adapted(classifier(tiny.configuration("bert")), lora_r=2, lora_targets=("key",))
    assert count_parameters(wide).trainable == 2 * 2 * (32 + 32) + head


def test_targets_that_are_not_in_the_model():
    with pytest.raises(UsageError, match="--lora-targets c_attn,foo: no such modules in this model"):
        adapted(classifier(tiny.configuration("bert")), lora_targets=("c_attn", "foo"))
