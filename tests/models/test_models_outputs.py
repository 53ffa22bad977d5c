"""The outputs of classifiers of every architecture are put in another order."""

import pytest
import tiny

from slmbench.models import ModelFiles, load_classifier
from slmbench.models.outputs import reorder_outputs


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
