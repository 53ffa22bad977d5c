"""Parameter counts, with and without embeddings: the first set the file size, the second the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ParameterCounts:
    """How many parameters a model has; shared ones count once."""

    total: int
    trainable: int
    without_embeddings: int


def count_parameters(model: nn.Module) -> ParameterCounts:
    """Count parameters.

    Embeddings are all tables looked up by index (words, positions, segments), whatever they are called.

    Args:
        model: Any torch module.

    Returns:
        Total, trainable, and total less embedding tables.
    """
    from torch import nn

    parameters = list(model.parameters())
    tables = {
        id(parameter): parameter
        for module in model.modules()
        if isinstance(module, nn.Embedding)
        for parameter in module.parameters(recurse=False)
    }
    total = sum(parameter.numel() for parameter in parameters)
    return ParameterCounts(
        total=total,
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        without_embeddings=total - sum(parameter.numel() for parameter in tables.values()),
    )
