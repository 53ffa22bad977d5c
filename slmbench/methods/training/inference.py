"""Logits of a torch classifier on reviews: the reference that exported forms are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress, Task
from slmbench.edge.runtime import NUMPY_BACKENDS, mean_by_text, numpy_runtime, usable_cores
from slmbench.instruments.devices import choose_precision
from slmbench.methods.training.cpu import keep_freed_memory
from slmbench.models import ModelFiles, load_classifier, load_tokenizer
from slmbench.models.batching import answer_in_batches
from slmbench.models.configuration import DEFAULT_LENGTH
from slmbench.models.long_texts import EncodedTexts, encode_texts, long_texts_of
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
) -> np.ndarray:
    """Run a classifier over texts, reading long ones as its configuration says.

    Args:
        model: A sequence classifier; it runs on its own device.
        tokenizer: Its tokenizer.
        texts: Reviews.
        max_length: Maximum input length in tokens.
        progress: Where progress is reported.
        what: Description of the progress bar.

    Returns:
        Logits, shape (texts, labels), float32, in input order.
    """
    encoded = encode_texts(tokenizer, texts, max_length, long_texts_of(model.config))
    with progress.task(what, total=len(encoded.texts), unit="inputs") as task:
        return _answers(model, tokenizer, encoded, task)


def _answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, encoded: EncodedTexts, task: Task
) -> np.ndarray:
    """Return the logits of texts; the task advances by their inputs."""
    model.eval()
    workers = usable_cores() if model.device.type == "cpu" else 1
    answers = answer_in_batches(
        lambda batch: model(**batch).logits, tokenizer, encoded.columns, model.device, task, workers=workers
    )
    return mean_by_text(answers, encoded.texts)


def run_logits(
    folder: Path, record: RunRecord, device: str, *, fast: bool = False
) -> Callable[[Sequence[str], Task], np.ndarray]:
    """Load the classifier of a run, whatever its method.

    Args:
        folder: The run folder.
        record: Its record.
        device: Where a torch model runs.
        fast: Convert a torch model to bf16 where the processor is fast at it, which makes soft labels of minilm-l6
            1.4 times as fast as autocast and moves its logits by at most 0.1; not for a reference.

    Returns:
        From texts, and a task that advances by them, to logits, shape (texts, labels), float32, in the run's label
        order.

    Raises:
        SlmbenchError: Its files are missing or damaged.
    """
    if runtime := numpy_runtime(folder / "model"):
        backend = NUMPY_BACKENDS[runtime](folder / "model")

        def run_numpy(texts: Sequence[str], task: Task) -> np.ndarray:
            rows = []
            for text in texts:
                rows.append(backend.logits(backend.encode([text])))
                task.advance()
            return np.concatenate(rows)

        return run_numpy
    import torch

    model, tokenizer, limit = load_run(folder, record)
    in_bf16 = fast and choose_precision("auto", device) == "bf16"
    if in_bf16 and device == "cpu":
        keep_freed_memory()
    model = model.to(device, torch.bfloat16 if in_bf16 else torch.float32)

    def run_model(texts: Sequence[str], task: Task) -> np.ndarray:
        encoded = encode_texts(tokenizer, texts, limit, long_texts_of(model.config))
        return _answers(model, tokenizer, encoded, _Slower(task, len(texts) / len(encoded.texts)))

    return run_model


class _Slower:
    """Advances a task by a share of the steps: by texts, where the steps are their windows."""

    def __init__(self, task: Task, share: float) -> None:
        self._task = task
        self._share = share
        self.describe = task.describe
        self.set_total = task.set_total

    def advance(self, steps: float = 1) -> None:
        self._task.advance(self._share * steps)


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
