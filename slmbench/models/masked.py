"""Masked language models: an encoder and the head that fills in hidden words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.models.configuration import HEAD_KEY, read_config, set_dropout
from slmbench.models.model_files import ModelFiles
from slmbench.models.model_loading import load_weights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class MaskedLM:
    """A masked language model as it was loaded.

    Attributes:
        model: In fp32 on the CPU.
        new_weights: Weights of the head that the files lack and that therefore start at random; those of the
            vocabulary are not among them where they are the embeddings.
    """

    model: PreTrainedModel
    new_weights: list[str]


def load_masked_lm(files: ModelFiles, *, dropout: float | None = None, allow_pickle: bool = False) -> MaskedLM:
    """Load a masked language model; where the files hold an encoder only, its head starts at random.

    Args:
        files: From :func:`slmbench.models.find_model`.
        dropout: Set every dropout probability to this; ``None`` keeps the model's own.
        allow_pickle: Load ``*.bin`` weights.

    Returns:
        The model, and whether it has a head of its own.

    Raises:
        UsageError: The architecture has no masked language model.
        SlmbenchError: The weights do not load, or are not those of the encoder.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM

    config = read_config(files)
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise UsageError(
            f"'{files.name}' is of architecture '{config.model_type}', which has no masked language model;"
            " BERT, RoBERTa, DistilBERT, ALBERT and MPNet have one"
        )
    if hasattr(config, HEAD_KEY):
        delattr(config, HEAD_KEY)  # the classifier that was on the encoder is not kept
    if dropout is not None:
        set_dropout(config, dropout)
    what = "a masked language model"
    model, report = load_weights(AutoModelForMaskedLM, files, what, config=config, use_safetensors=not allow_pickle)
    missing = sorted(report["missing_keys"])
    strange = [name for name in missing if name.startswith(f"{model.base_model_prefix}.")]
    if strange:
        raise SlmbenchError(f"'{files.name}' lacks weights of its encoder ({strange[0]} and {len(strange) - 1} more)")
    return MaskedLM(model, missing)


@contextmanager
def head_sees_only(model: PreTrainedModel, places: torch.Tensor) -> Iterator[None]:
    """Within the block, the head answers for some tokens: for all of them it would do most of the work.

    A vocabulary's worth of logits for each token of a batch of 16 long reviews is half a gigabyte for BERT.

    Args:
        model: A masked language model; within the block its logits have the shape (places, vocabulary).
        places: True where an answer is wanted, shape (reviews, tokens).

    Yields:
        Nothing.
    """

    def pick(module: Any, inputs: Any, output: Any) -> Any:
        output[next(iter(output))] = output[0][places]
        return output

    hook = model.base_model.register_forward_hook(pick)
    try:
        yield
    finally:
        hook.remove()
