"""Saving a trained classifier and loading it again for the test; errors that every training can end in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import SILENT
from slmbench.corpora import Corpus
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import RELOAD_REVIEWS, RELOAD_TOLERANCE
from slmbench.methods.training.inference import classifier_logits
from slmbench.models import ModelFiles, load_classifier

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class DivergedError(SlmbenchError):
    """Training ended in weights that predict NaN or infinity; resuming from them does not help."""


@contextmanager
def explain_memory_errors(options: MethodOptions) -> Iterator[None]:
    """Within the block, turn running out of memory into an error that names the options to lower.

    torch raises it as a RuntimeError.

    Args:
        options: Options of the training, with defaults filled in.

    Yields:
        Nothing.

    Raises:
        SlmbenchError: Memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            raise SlmbenchError(
                f"memory ran out while training: lower --batch-size ({options.batch_size}) or"
                f" --max-length ({options.max_length})"
            ) from None
        raise


def save_and_read_back(
    trained: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    corpus: Corpus,
    *,
    max_length: int,
    learning_rate: float | None,
    merge: Callable[[PreTrainedModel], PreTrainedModel] | None = None,
) -> PreTrainedModel:
    """Save a classifier as a Hugging Face folder and load it from there.

    The saved model is what is tested afterwards, so that a head that was not saved is noticed here.

    Args:
        trained: The classifier; it is moved to the CPU and converted to fp32.
        tokenizer: Its tokenizer.
        folder: Where to save.
        corpus: The reviews.
        max_length: Maximum input length in tokens.
        learning_rate: Named in the error when training diverged.
        merge: Converts the trained model into the one that is saved, for example by merging adapters.

    Returns:
        The saved model, on the device of the trained one.

    Raises:
        DivergedError: The model predicts NaN or infinity.
        SlmbenchError: The saved model gives other logits than the trained one.
    """
    device = trained.device
    probe = corpus.test.texts[:RELOAD_REVIEWS]
    before = classifier_logits(trained, tokenizer, probe, max_length, SILENT)
    if not np.isfinite(before).all():
        raise DivergedError(f"training diverged: the model predicts NaN or infinity; lower --lr ({learning_rate})")
    plain = merge(trained) if merge else trained
    plain.to("cpu").float().save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    reloaded = load_classifier(ModelFiles(str(folder), folder, "directory"), corpus.label_names).to(device)
    after = classifier_logits(reloaded, tokenizer, probe, max_length, SILENT)
    difference = float(np.abs(before - after).max())
    if difference > RELOAD_TOLERANCE:
        raise SlmbenchError(
            f"the saved model gives other logits than the trained one (by {difference:.3g}) and was not kept;"
            f" please report the architecture '{plain.config.model_type}'"
        )
    return reloaded
