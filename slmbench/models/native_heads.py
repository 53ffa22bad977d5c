"""The heads that transformers itself puts on an encoder: what of them is trained when the encoder is frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from slmbench.common.errors import UsageError
from slmbench.models.weights_check import tensor_shapes

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

#: The encoder's output that a head reads: the first or last token's, or the mean of all.
Reads = Literal["first", "last", "mean"]


@dataclass(frozen=True)
class NativeHead:
    """The way from the encoder's output to the logits, without dropout.

    Attributes:
        reads: Which output it starts from.
        frozen: From that output, shape (reviews, 1, width), to the input of the trained part; not trained itself.
        below: Name of the module whose weights ``frozen`` uses, where it has any.
        trained: From that input to logits, shape (reviews, labels).
        modules: Names of the modules that are trained.
    """

    reads: Reads
    frozen: Callable[[torch.Tensor], torch.Tensor]
    trained: Callable[[torch.Tensor], torch.Tensor]
    modules: tuple[str, ...]
    below: str | None = None

    def freeze_below(self, model: PreTrainedModel) -> None:
        """Leave nothing of a classifier trainable but this head."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in self.modules)


def native_head(model: PreTrainedModel) -> NativeHead:
    """Return the head of a sequence classifier of transformers.

    The trained part is what study 002 trained in its baselines. BERT and ALBERT: the last layer, on the pretrained
    pooler. XLNet: the last projection, on a summary layer that no checkpoint has. Families that the study did not
    use: everything above the encoder.

    Args:
        model: From :func:`slmbench.models.load_classifier` with ``native_head``.

    Raises:
        UsageError: The head of this architecture is not known here.
    """
    make = _HEADS.get(model.config.model_type)
    if make is None:
        raise UsageError(
            f"--method linear does not know the head of architecture '{model.config.model_type}': use --method space"
        )
    return make(model)


def _same(output: torch.Tensor) -> torch.Tensor:
    return output


def _bert(model: Any) -> NativeHead:
    return NativeHead("first", model.bert.pooler, model.classifier, ("classifier",), "pooler")


def _albert(model: Any) -> NativeHead:
    def pooled(output: torch.Tensor) -> torch.Tensor:
        return model.albert.pooler_activation(model.albert.pooler(output[:, 0]))

    return NativeHead("first", pooled, model.classifier, ("classifier",), "pooler")


def _distilbert(model: Any) -> NativeHead:
    def head(vectors: torch.Tensor) -> torch.Tensor:
        return model.classifier(model.pre_classifier(vectors[:, 0]).relu())

    return NativeHead("first", _same, head, ("pre_classifier", "classifier"))


def _roberta(model: Any) -> NativeHead:
    return NativeHead("first", _same, model.classifier, ("classifier",))


def _deberta(model: Any) -> NativeHead:
    def head(vectors: torch.Tensor) -> torch.Tensor:
        return model.classifier(model.pooler(vectors))

    return NativeHead("first", _same, head, ("pooler", "classifier"))


def _xlnet(model: Any) -> NativeHead:
    return NativeHead("last", model.sequence_summary, model.logits_proj, ("logits_proj",), "sequence_summary")


def _modernbert(model: Any) -> NativeHead:
    def head(vectors: torch.Tensor) -> torch.Tensor:
        return model.classifier(model.head(vectors[:, 0]))

    reads: Reads = "mean" if model.config.classifier_pooling == "mean" else "first"
    return NativeHead(reads, _same, head, ("head", "classifier"))


_HEADS: dict[str, Callable[[Any], NativeHead]] = {
    "bert": _bert,
    "albert": _albert,
    "distilbert": _distilbert,
    "electra": _roberta,
    "mpnet": _roberta,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "camembert": _roberta,
    "deberta-v2": _deberta,
    "xlnet": _xlnet,
    "modernbert": _modernbert,
}


def is_in_checkpoint(folder: Path, module: str) -> bool:
    """Say whether a model's weights on disk name a module; of pickled weights the answer is always yes."""
    names = tensor_shapes(folder)
    return not names or any(module in name.split(".") for name in names)
