"""Which model: where its files come from, how they are loaded, how large it is."""

from slmbench.models.architectures import Architecture, architecture_of
from slmbench.models.model_files import ModelFiles, find_model
from slmbench.models.model_loading import (
    ParameterCounts,
    count_parameters,
    load_classifier,
    load_encoder,
    load_tokenizer,
)

__all__ = [
    "Architecture",
    "ModelFiles",
    "ParameterCounts",
    "architecture_of",
    "count_parameters",
    "find_model",
    "load_classifier",
    "load_encoder",
    "load_tokenizer",
]
