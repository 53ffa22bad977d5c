"""Loading a sequence classifier and its tokenizer through transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, UsageError, first_line
from slmbench.models.architectures import UNUSED_POSITIONS

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from slmbench.models.sources import ModelFiles

#: The key of ``config.json`` that says which head of ``slmbench.models.headed`` is on an encoder.
HEAD_KEY = "slmbench_head"
#: Shortest input one may ask for, in tokens: fewer leave hardly a word between the special tokens.
LEAST_TOKENS = 4
#: Longest input, in tokens, where nobody said.
USUAL_LENGTH = 512
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


def load_classifier(
    files: ModelFiles,
    labels: list[str],
    *,
    layers: int | None = None,
    dropout: float | None = None,
    allow_pickle: bool = False,
    native_head: bool = False,
) -> PreTrainedModel:
    """Load a model with a classification head; a head of other labels is replaced by a fresh one.

    Args:
        files: From :func:`slmbench.models.find_model`.
        labels: Label names in id order.
        layers: Keep only the first so many encoder layers.
        dropout: Set every dropout probability to this; ``None`` keeps the model's own.
        allow_pickle: Load ``*.bin`` weights.
        native_head: Put the head of transformers on the encoder even where the folder has one of
            ``slmbench.models.headed``.

    Returns:
        The model in fp32 on the CPU.

    Raises:
        UsageError: More layers are wanted than there are.
        SlmbenchError: The architecture has no sequence classifier, or the weights do not load.
    """
    from transformers import AutoModelForSequenceClassification

    config = _configured(files, layers, dropout)
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    loader: Any = AutoModelForSequenceClassification
    if native_head:
        _forget_head(config)
    elif hasattr(config, HEAD_KEY):
        from slmbench.models.headed import HeadedClassifier

        loader = HeadedClassifier
    return _load(loader, files, config, "a classifier", allow_pickle)


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
        SlmbenchError: The weights do not load.
    """
    from transformers import AutoModel

    from slmbench.models.headed import without_pooler

    config = _configured(files, layers, dropout)
    _forget_head(config)
    return without_pooler(_load(AutoModel, files, config, "an encoder", allow_pickle))


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


def _load(loader: Any, files: ModelFiles, config: Any, what: str, allow_pickle: bool) -> PreTrainedModel:
    from safetensors import SafetensorError

    try:
        model = loader.from_pretrained(
            files.folder,
            config=config,
            local_files_only=True,
            use_safetensors=not allow_pickle,
            ignore_mismatched_sizes=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise SlmbenchError(f"'{files.name}' cannot be loaded as {what}: {first_line(error)}") from None
    return model.float()


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


def set_dropout(config: Any, probability: float) -> None:
    """Set every dropout probability that a configuration has."""
    for key in _DROPOUT_KEYS:
        if isinstance(getattr(config, key, None), (int, float)):
            setattr(config, key, probability)


def load_tokenizer(folder: Path, *, max_length: int | None = None) -> PreTrainedTokenizerFast:
    """Load a fast tokenizer: only those can be shipped as ``tokenizer.json``.

    Args:
        folder: The model's folder.
        max_length: Truncate to this; ``None`` keeps the model's own limit.

    Raises:
        SlmbenchError: There is no tokenizer, or it has no fast form.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    except Exception as error:  # noqa: BLE001 - tokenizers raises a bare Exception
        raise SlmbenchError(f"the tokenizer in {folder} cannot be read: {first_line(error)}") from None
    if not tokenizer.is_fast:
        raise SlmbenchError(f"the tokenizer in {folder} has no fast form, which a bundle needs")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if max_length is not None:
        tokenizer.model_max_length = max_length
    return tokenizer


def position_limit(config: Any) -> int | None:
    """Return the longest input a model has positions for, or ``None`` when it has no limit (XLNet)."""
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0 or getattr(config, "model_type", "") == "xlnet":
        return None
    return limit - UNUSED_POSITIONS.get(config.model_type, 0)


def input_limit(config: Any, wanted: int | None, usual: int = USUAL_LENGTH) -> int:
    """Return the longest input in tokens.

    Args:
        config: The model's configuration.
        wanted: What was asked for.
        usual: What is taken when nothing was.

    Returns:
        It, or less where the model has no positions for so many.
    """
    return min(wanted or usual, position_limit(config) or 10**9)
