"""The outputs of classifiers of every architecture are put in another order."""

import pytest
import tiny

from slmbench.common.errors import UsageError
from slmbench.models import ModelFiles, load_classifier
from slmbench.models.outputs import match_labels, reorder_outputs


@pytest.mark.parametrize("kind", tiny.ARCHITECTURES)
@pytest.mark.parametrize("order", [[2, 0, 1], [1, 0, 2]])
def test_outputs_in_another_order(tmp_path, kind, order):
    import torch

    folder = tiny.model_folder(tmp_path / kind, kind, labels=3)
    model = load_classifier(ModelFiles(kind, folder, "directory"), ["a", "b", "c"]).eval()
    with torch.inference_mode():
        before = model(input_ids=torch.tensor([[2, 7, 9, 3]])).logits
        reorder_outputs(model, order)
        after = model(input_ids=torch.tensor([[2, 7, 9, 3]])).logits
    assert torch.allclose(after, before[:, order], atol=1e-6)


def configured(**changes):
    from transformers import BertConfig

    config = BertConfig()
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def test_labels_that_are_null_have_no_names():
    match = match_labels("model", configured(id2label={0: None, 1: None}, label2id=None), ["neg", "pos"], {})
    assert match.is_same_order and len(match.notes) == 1


def test_labels_with_one_name_are_refused_and_no_map_is_proposed():
    with pytest.raises(UsageError, match="neg, neg") as caught:
        match_labels("model", configured(id2label={0: "neg", 1: "neg"}), ["neg", "pos"], {})
    assert "--label-map" not in str(caught.value)


@pytest.mark.parametrize(
    ("label2id", "contradicts"),
    [
        ({"pos": 0, "neg": 1}, True),
        ({"neg": 0, "pos": 1}, False),
        ({"LABEL_0": 0, "LABEL_1": 1}, False),
        (None, False),
    ],
)
def test_two_tables_of_labels_that_contradict_each_other_are_noted(label2id, contradicts):
    config = configured(id2label={0: "neg", 1: "pos"}, label2id=label2id)
    assert bool(match_labels("model", config, ["neg", "pos"], {}).notes) == contradicts
