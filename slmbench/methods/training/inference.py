"""Logits of a torch classifier on reviews: the reference that exported forms are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.edge.runtime import mean_by_text, usable_cores
from slmbench.instruments.devices import choose_precision
from slmbench.methods.training.cpu import bf16_autocast
from slmbench.models import ModelFiles, load_classifier, load_tokenizer
from slmbench.models.batching import answer_in_batches
from slmbench.models.configuration import DEFAULT_LENGTH
from slmbench.models.long_texts import encode_texts, long_texts_of
from slmbench.records import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def classifier_logits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    max_length: int,
    progress: Progress,
    what: str = "testing",
    *,
    fast: bool = False,
) -> np.ndarray:
    """Run a classifier over texts, reading long ones as its configuration says.

    Args:
        model: A sequence classifier; it runs on its own device.
        tokenizer: Its tokenizer.
        texts: Reviews.
        max_length: Maximum input length in tokens.
        progress: Where progress is reported.
        what: Description of the progress bar.
        fast: Run in bf16 where the processor is fast at it; for soft labels, not for a reference.

    Returns:
        Logits, shape (texts, labels), float32, in input order.
    """
    import torch

    encoded = encode_texts(tokenizer, texts, max_length, long_texts_of(model.config))
    model.eval()
    device = model.device.type
    in_bf16 = choose_precision("auto" if fast else "fp32", device) == "bf16"
    with (
        progress.task(what, total=len(encoded.texts), unit="inputs") as task,
        bf16_autocast(device) if in_bf16 else nullcontext(),
    ):
        answers = answer_in_batches(
            lambda batch: model(**batch).logits,
            tokenizer,
            encoded.columns,
            model.device,
            task,
            workers=usable_cores() if device == "cpu" else 1,
            within=partial(torch.autocast, device, torch.bfloat16) if in_bf16 else nullcontext,
        )
    return mean_by_text(answers, encoded.texts)


def load_run(folder: Path, record: RunRecord) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, int]:
    """Load the classifier of a run as it was tested.

    Args:
        folder: The run folder.
        record: Its record.

    Returns:
        The model in fp32 on the CPU, its tokenizer, and its maximum input length in tokens.

    Raises:
        SlmbenchError: Its files are missing or damaged.
    """
    files = folder / "model"
    if not (files / "config.json").is_file():
        raise SlmbenchError(f"{files} is missing or incomplete: make the run again")
    limit = record.max_length or DEFAULT_LENGTH
    tokenizer = load_tokenizer(files, max_length=limit)
    tokenizer.truncation_side = record.hyperparameters.get("truncation_side") or tokenizer.truncation_side
    model = load_classifier(ModelFiles(str(folder), files, "directory"), record.predictions.labels)
    return model, tokenizer, limit
