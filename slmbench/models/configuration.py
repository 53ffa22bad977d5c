"""A model's configuration: reading it, changing it before the weights are loaded, and the limits it sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError, first_line
from slmbench.common.progress import SILENT, Progress
from slmbench.models.architectures import unused_positions
from slmbench.models.model_files import ModelFiles

#: The key of ``config.json`` that says which head of ``slmbench.models.headed`` is on an encoder.
HEAD_KEY = "slmbench_head"
#: Longest input, in tokens, when nothing is asked for.
DEFAULT_LENGTH = 512
#: Configuration keys that mean dropout in one family or another.
_DROPOUT_KEYS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "classifier_dropout_prob",
    "dropout",
    "attention_dropout",
    "seq_classif_dropout",
    "summary_last_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "pooler_dropout",
)


def read_config(files: ModelFiles) -> Any:
    """Read a model's configuration.

    Raises:
        SlmbenchError: It is damaged, or of an architecture that the installed transformers does not know.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(files.folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise SlmbenchError(f"the configuration of '{files.name}' cannot be read: {first_line(error)}") from None


def keep_layers(config: Any, layers: int, name: str) -> None:
    """Set a configuration to its first so many encoder layers.

    Raises:
        UsageError: The model has fewer layers, or none to cut.
    """
    own = getattr(config, "num_hidden_layers", None)
    if own is None:
        raise UsageError(f"'{name}' has no encoder layers to cut (--layers)")
    if not 1 <= layers <= own:
        raise UsageError(f"--layers {layers}: '{name}' has {own} encoder layers")
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def set_labels(config: Any, labels: Sequence[str]) -> None:
    """Make a configuration that of a classifier with one label a text; ``labels`` are in id order."""
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"


def set_dropout(config: Any, probability: float) -> None:
    """Set every dropout probability that a configuration has."""
    for key in _DROPOUT_KEYS:
        if isinstance(getattr(config, key, None), (int, float)):
            setattr(config, key, probability)


def position_limit(config: Any) -> int | None:
    """Return the longest input a model has positions for, or ``None`` when it has no limit (XLNet)."""
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0 or getattr(config, "model_type", "") == "xlnet":
        return None
    return limit - unused_positions(config.model_type, getattr(config, "pad_token_id", None))


def input_limit(
    config: Any, wanted: int | None, default: int = DEFAULT_LENGTH, *, progress: Progress = SILENT
) -> int:
    """Return the longest input in tokens.

    Args:
        config: The model's configuration.
        wanted: Limit that was asked for, if any.
        default: Limit when none was asked for.
        progress: Told when the result is less than what was asked for.

    Returns:
        The limit asked for or the default, or less where the model has no positions for so many.

    Raises:
        SlmbenchError: The model has positions for no token.
    """
    limit = position_limit(config)
    if limit is not None and limit < 1:
        raise SlmbenchError("the model's configuration leaves positions for no token: it is damaged")
    if limit is not None and wanted is not None and wanted > limit:
        progress.say(f"reviews are cut at {limit} tokens, not at {wanted}: the model has no more positions")
    return min(wanted or default, limit or 10**9)


def padding_multiple(config: Any, max_length: int, multiple: int = 16) -> int | None:
    """Return the number to whose multiples batches are padded.

    Args:
        config: The model's configuration.
        max_length: Maximum input length in tokens.
        multiple: The number wanted.

    Returns:
        ``multiple``, or ``None`` (no padding to multiples) where the longest input, padded to one, would exceed the
        model's positions.
    """
    limit = position_limit(config)
    longest = -(-max_length // multiple) * multiple
    return multiple if limit is None or longest <= limit else None
