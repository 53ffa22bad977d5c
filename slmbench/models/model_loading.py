"""Loading a classifier and its tokenizer through transformers, whole or not at all; counting its parameters."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.common.formatting import counted
from slmbench.common.progress import SILENT, Progress
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_json
from slmbench.models.configuration import HEAD_KEY, keep_layers, read_config, set_dropout, set_labels
from slmbench.models.model_files import ModelFiles
from slmbench.models.weights_check import WeightsReport, check_weights

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def load_classifier(
    files: ModelFiles,
    labels: list[str],
    *,
    layers: int | None = None,
    dropout: float | None = None,
    allow_pickle: bool = False,
    native_head: bool = False,
    new_head: bool = False,
    progress: Progress = SILENT,
) -> PreTrainedModel:
    """Load a model with a classification head.

    Args:
        files: From :func:`slmbench.models.find_model`.
        labels: Label names in id order.
        layers: Keep only the first so many encoder layers.
        dropout: Set every dropout probability to this; ``None`` keeps the model's own.
        allow_pickle: Load ``*.bin`` weights.
        native_head: Put the head of transformers on the encoder even where the folder has one of
            ``slmbench.models.headed``.
        new_head: The classifier is to be trained: where the folder has no head for so many labels, a new one starts
            at random, and ``progress`` is told. An encoder never does.
        progress: Told of a new head.

    Returns:
        The model in fp32 on the CPU.

    Raises:
        UsageError: More layers are wanted than there are.
        SlmbenchError: The architecture has no sequence classifier, the weights do not load, or they lack part of the
            model (the message names the tensors).
    """
    from transformers import AutoModelForSequenceClassification

    config = _configured(files, layers, dropout)
    set_labels(config, labels)
    loader: Any = AutoModelForSequenceClassification
    if native_head:
        _forget_head(config)
    elif hasattr(config, HEAD_KEY):
        from slmbench.models.headed import HeadedClassifier

        loader = HeadedClassifier
    model, drawn = _load(loader, files, config, "a classifier", allow_pickle, new_head)
    if drawn:
        progress.say(f"a new classification head for '{files.name}' starts at random ({', '.join(drawn)})")
    return model


def load_encoder(
    files: ModelFiles, *, layers: int | None = None, dropout: float | None = None, allow_pickle: bool = False
) -> PreTrainedModel:
    """Load a model without any head, and without the pooler that some families have below theirs.

    Args:
        files: From :func:`slmbench.models.find_model`.
        layers: Keep only the first so many layers.
        dropout: Set every dropout probability to this; ``None`` keeps the model's own.
        allow_pickle: Load ``*.bin`` weights.

    Returns:
        The encoder in fp32 on the CPU; its first output is the last hidden state.

    Raises:
        UsageError: More layers are wanted than there are.
        SlmbenchError: The weights do not load, or lack part of the encoder.
    """
    from transformers import AutoModel

    from slmbench.models.headed import without_pooler

    config = _configured(files, layers, dropout)
    _forget_head(config)
    return without_pooler(_load(AutoModel, files, config, "an encoder", allow_pickle, True)[0])


def _configured(files: ModelFiles, layers: int | None, dropout: float | None) -> Any:
    config = read_config(files)
    if layers is not None:
        keep_layers(config, layers, files.name)
    if dropout is not None:
        set_dropout(config, dropout)
    return config


def _forget_head(config: Any) -> None:
    if hasattr(config, HEAD_KEY):
        delattr(config, HEAD_KEY)


def _load(
    loader: Any, files: ModelFiles, config: Any, what: str, allow_pickle: bool, new_head: bool
) -> tuple[PreTrainedModel, list[str]]:
    """Return a model in fp32, and the tensors of its head that start at random."""
    # Tensors of another shape are reported by name.
    settings = {"config": config, "use_safetensors": not allow_pickle, "ignore_mismatched_sizes": True}
    model, found = load_weights(loader, files, what, **settings)
    return model, check_weights(files, model, WeightsReport.of(found), new_head=new_head)


def load_weights(
    loader: Any, files: ModelFiles, what: str, **settings: Any
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Load a model from its folder.

    Args:
        loader: A class of transformers with ``from_pretrained``.
        files: From :func:`slmbench.models.find_model`.
        what: What it is loaded as, for the error.
        **settings: Further arguments of ``from_pretrained``.

    Returns:
        The model in fp32 on the CPU, and how its tensors compare with the files (``output_loading_info``).

    Raises:
        SlmbenchError: The weights do not load.
    """
    from safetensors import SafetensorError

    try:
        model, found = loader.from_pretrained(
            files.folder, local_files_only=True, output_loading_info=True, **settings
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise SlmbenchError(f"'{files.name}' cannot be loaded as {what}: {first_line(error)}") from None
    return model.float(), found


def load_tokenizer(folder: Path, *, max_length: int | None = None) -> PreTrainedTokenizerFast:
    """Load a fast tokenizer: only those can be shipped as ``tokenizer.json``.

    Args:
        folder: The model's folder.
        max_length: Truncate to this; ``None`` keeps the model's own limit.

    Raises:
        SlmbenchError: There is no tokenizer, it has no fast form, or it has tokens that the model beside it lacks.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
        tokenizer("a text")  # a vocabulary without its unknown token is read, and fails here
    except Exception as error:  # noqa: BLE001 - tokenizers raises a bare Exception
        raise SlmbenchError(f"the tokenizer in {folder} cannot be read: {first_line(error)}") from None
    if not tokenizer.is_fast:
        raise SlmbenchError(f"the tokenizer in {folder} has no fast form, which a bundle needs")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    _check_tokens(tokenizer, folder)
    _drop_unknown_inputs(tokenizer, folder)
    if max_length is not None:
        tokenizer.model_max_length = max_length
    return tokenizer


def _drop_unknown_inputs(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Make a tokenizer give no token types where the model beside it does not take any, as DistilBERT."""
    from transformers import MODEL_MAPPING, AutoConfig

    types = "token_type_ids"
    if types not in tokenizer.model_input_names or not (folder / "config.json").is_file():
        return
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError):
        return  # who loads the model says what is wrong
    model: Any = MODEL_MAPPING.get(type(config), None)
    if hasattr(model, "forward") and types not in inspect.signature(model.forward).parameters:
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != types]


def _check_tokens(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Raise when a tokenizer has ids beyond the rows of the embedding table that ``config.json`` describes."""
    try:
        rows = read_json(folder / "config.json", MAX_RECORD_BYTES).get("vocab_size")
    except (OSError, ValueError, AttributeError):
        return  # a tokenizer alone
    if not isinstance(rows, int):
        return
    beyond = sorted((index, token) for token, index in tokenizer.get_vocab().items() if index >= rows)
    if beyond:
        words = ", ".join(f"'{token}'" for _, token in beyond[:3])
        raise SlmbenchError(
            f"the tokenizer in {folder} has {counted(len(beyond), 'token')} more than the model's embedding table has"
            f" rows ({rows}; {words}{', …' if len(beyond) > 3 else ''}): use the tokenizer that the model was trained"
            " with"
        )


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
