"""The outputs of a published classifier: which label each stands for, and putting them in the corpus's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import few

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Logits before and after may differ by this, relative to one.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class LabelMatch:
    """How the outputs of a classifier stand for the labels of a corpus.

    Attributes:
        order: For each label of the corpus, the place of the output that stands for it.
        notes: What a reader of the result has to know.
    """

    order: list[int]
    notes: list[str]

    @property
    def is_same_order(self) -> bool:
        """Whether the outputs are in the corpus's order already."""
        return self.order == list(range(len(self.order)))


def match_labels(name: str, config: Any, wanted: Sequence[str], label_map: Mapping[str, str]) -> LabelMatch:
    """Match the outputs of a classifier with the labels of a corpus, by name and without regard to case.

    Args:
        name: The model's name, for messages.
        config: Its configuration.
        wanted: The labels of the corpus in their order.
        label_map: What the corpus calls a label of the model, for those it calls otherwise.

    Returns:
        The match. Outputs without names (``LABEL_0``) are assumed to be in the corpus's order, and that is noted.

    Raises:
        UsageError: The model has other labels, gives several labels a text or a number, or the map names labels that
            do not exist.
    """
    names = [config.id2label[index] for index in sorted(config.id2label)]
    own = [f"LABEL_{place}" if name is None else str(name) for place, name in enumerate(names)]
    _check_single_label(name, config, own)
    for label, meant in label_map.items():
        if label not in own:
            raise UsageError(f"--label-map {label}={meant}: '{name}' has no label '{label}'; it has {few(own)}")
        if meant not in wanted:
            raise UsageError(f"--label-map {label}={meant}: the corpus has no label '{meant}'; it has {few(wanted)}")
    called = [label_map.get(label, label).lower() for label in own]
    if sorted(called) == sorted(label.lower() for label in wanted) and len(set(called)) == len(called):
        match = LabelMatch([called.index(label.lower()) for label in wanted], [])
        if label_map:
            match.notes.append(
                "by --label-map the model's labels "
                + ", ".join(f"{label} = {meant}" for label, meant in label_map.items())
            )
        match.notes.extend(_contradiction(config))
        if not match.is_same_order:
            match.notes.append(f"the model's outputs ({few(own)}) were put in the order of the corpus, by name")
        return match
    if own == [f"LABEL_{index}" for index in range(len(wanted))] and not label_map:
        note = f"the model's labels have no names; they are assumed to be {few(wanted)}, in this order"
        return LabelMatch(list(range(len(own))), [note])
    hint = ", ".join(f"{label}=…" for label in own)
    if len(set(own)) < len(own):
        raise UsageError(
            f"'{name}' calls several of its labels alike ({few(own)}): correct id2label in its config.json"
        )
    raise UsageError(
        f"'{name}' has the labels {few(own)}, the corpus {few(wanted)}: a published classifier"
        " (--method pretrained) needs the same labels"
        + (f"; say which is which with --label-map {hint.replace(' ', '')}" if len(own) == len(wanted) else "")
    )


def reorder_outputs(model: PreTrainedModel, order: Sequence[int]) -> None:
    """Put the outputs of a classifier into another order, in place.

    Args:
        model: A sequence classifier.
        order: For each new place, the place where the output is now.

    Raises:
        SlmbenchError: The last layer of the architecture is not one that slmbench can reorder.
    """
    import torch
    from torch import nn

    encoder = set(model.base_model.modules())
    last = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear) and module.out_features == len(order) and module not in encoder
    ]
    probe = torch.arange(2, 10).remainder(model.config.vocab_size).unsqueeze(0)
    model.eval()
    with torch.inference_mode():
        before = model(input_ids=probe).logits[:, list(order)]
    if last:
        with torch.no_grad():
            for parameter in last[-1].parameters(recurse=False):
                parameter.copy_(parameter[list(order)].clone())
    with torch.inference_mode():
        after = model(input_ids=probe).logits
    if not torch.allclose(before, after, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise SlmbenchError(
            f"the outputs of architecture '{model.config.model_type}' cannot be put in the corpus's order: name the"
            " corpus's labels in the order of the model's"
        )


def _contradiction(config: Any) -> list[str]:
    """Return a note where the two tables of labels in a configuration contradict each other."""
    other = {index: label for label, index in (getattr(config, "label2id", None) or {}).items()}
    if other == dict(config.id2label) or set(other.values()) != set(config.id2label.values()):
        return []  # names that are in one of them only say nothing of the order
    return ["id2label and label2id in the model's config.json contradict each other: id2label was followed"]


def _check_single_label(name: str, config: Any, own: Sequence[str]) -> None:
    kind = getattr(config, "problem_type", None)
    if kind == "multi_label_classification":
        raise UsageError(
            f"'{name}' gives several labels a text (problem_type multi_label_classification): slmbench classifies"
            " into one label a text"
        )
    if kind == "regression" or len(own) == 1:
        raise UsageError(f"'{name}' gives one number a text and not labels: slmbench needs a classifier")
