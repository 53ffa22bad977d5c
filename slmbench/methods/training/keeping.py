"""What can go wrong with every training, and keeping what it made: saved, read back, refused when it is another."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import SILENT
from slmbench.methods.outcome import RELOAD_REVIEWS, RELOAD_TOLERANCE
from slmbench.methods.training.inference import classifier_logits
from slmbench.models import ModelFiles, load_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from slmbench.corpora import Corpus
    from slmbench.methods.options import MethodOptions


class DivergedError(SlmbenchError):
    """Training ended in weights that give no numbers; going on from them would not mend them."""


@contextmanager
def memory_may_run_out(options: MethodOptions) -> Iterator[None]:
    """Within the block, say what to lower when memory runs out; torch says so with a RuntimeError.

    Args:
        options: Of the training, resolved.

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

    Tested is what was saved, read back: a head lost on the way would show here, not in the app.

    Args:
        trained: The classifier; it is brought to the CPU and to fp32.
        tokenizer: Its tokenizer.
        folder: Where to save.
        corpus: The reviews.
        max_length: Truncate to so many tokens.
        learning_rate: What a person could lower where training diverged.
        merge: Makes the model that is saved out of the one that was trained, such as with adapters folded in.

    Returns:
        The saved model, on the device that the trained one was on.

    Raises:
        DivergedError: The model answers with NaN or infinity.
        SlmbenchError: It answers otherwise once it was read back.
    """
    device = trained.device
    probe = corpus.test.texts[:RELOAD_REVIEWS]
    before = classifier_logits(trained, tokenizer, probe, max_length, SILENT)
    if not np.isfinite(before).all():
        raise DivergedError(
            f"training went astray: the model answers with NaN or infinity; lower --lr ({learning_rate})"
        )
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
