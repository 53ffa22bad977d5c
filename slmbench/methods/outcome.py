"""The interface of a method that is ready to run, and what it returns for the record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.progress import Progress
from slmbench.instruments.memory import high_water_mark
from slmbench.records import AnswerCost, TrainCost

#: Largest difference between the logits of a trained model and of the same model saved and loaded again.
RELOAD_TOLERANCE = 1e-3
#: Number of test reviews on which that is checked.
RELOAD_REVIEWS = 16
#: The training cost of a method that trains nothing.
NO_TRAINING = TrainCost(
    seconds=0.0,
    reviews_per_second=0.0,
    epochs=0,
    peak_rss_bytes=None,
    device="cpu",
    precision="fp32",
    best_epoch=None,
    selected_by=None,
    history=[],
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A classifier and its predictions on the test rows: the fields of the run record that the method fills in.

    Attributes:
        model: Name or folder, as the user gave it; filled in when ``None``.
        model_source: Where its files came from.
        base_sha256: Hash of the pretrained weights.
        weights_sha256: Hash of the weights that made the predictions; of all files in ``model/`` when ``None``.
        architecture: ``model_type`` of its configuration; the method's name when ``None``.
        base_license: Licence of the pretrained weights where it is known.
        max_length: Maximum input length in tokens.
        hyperparameters: Values of all options, defaults included; those of the options when ``None``.
        trainable_parameters: Number of trained parameters.
        total_parameters: Number of all parameters.
        parameters_without_embeddings: The total without embedding tables; the total when ``None``.
        train: Cost of training; when ``None``, the wall time of :meth:`RunMethod.run` with predictions, or none
            without trained parameters.
        logits: Scores on the test rows, shape (rows, labels); their softmax are the recorded probabilities.
        abstained: Indices of test rows to which no label was given.
        answering: Cost of predicting the test rows, for methods that need more than one forward pass.
        shots: Labelled examples per label; ``None`` when all training rows were used.
        has_model: Whether ``model/`` was written and can be exported (see :class:`RunMethod`).
        details: Facts that only this method records.
        notes: Sentences that a reader of the numbers needs.
    """

    model: str | None = None
    model_source: str = "made here"
    base_sha256: str | None = None
    weights_sha256: str | None = None
    architecture: str | None = None
    base_license: str | None = None
    max_length: int | None = None
    hyperparameters: dict[str, Any] | None = None
    trainable_parameters: int = 0
    total_parameters: int
    parameters_without_embeddings: int | None = None
    train: TrainCost | None = None
    logits: np.ndarray
    abstained: Sequence[int] = ()
    answering: AnswerCost | None = None
    shots: int | None = None
    has_model: bool = True
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def training_cost(seconds: float, reviews: float, **facts: Any) -> TrainCost:
    """Return the cost of a training that has just ended, with this process's peak memory.

    Args:
        seconds: Duration.
        reviews: Number of reviews learned from, each counted once per epoch.
        **facts: Fields of the record that differ from one epoch on the CPU in fp32 without validation rows.
    """
    cost = {"seconds": seconds, "reviews_per_second": reviews / seconds, "epochs": 1.0}
    return NO_TRAINING.model_copy(update={**cost, "peak_rss_bytes": high_water_mark()[0], **facts})


def answer_cost(reviews: int, seconds: float) -> AnswerCost:
    """Return what answering took so far, with this process's peak memory.

    Args:
        reviews: Number of reviews answered.
        seconds: Duration.
    """
    return AnswerCost(seconds=seconds, reviews_per_second=reviews / seconds, peak_rss_bytes=high_water_mark()[0])


class RunMethod(ABC):
    """A method with a model, a corpus and all options fixed, ready to run.

    What :meth:`run` writes into ``model/`` decides how ``slmbench export`` makes a bundle of it:

    - a Hugging Face sequence classifier: ``config.json``, weights and tokenizer;
    - the files of the TF-IDF baseline: ``tfidf.json`` and ``tfidf.npz``;
    - any other model as ``onnx/model.onnx`` (inputs of the tokenizer, output ``logits``) with ``config.json``
      (``id2label``) and the tokenizer's files.

    Attributes:
        key: Hash of everything the result depends on.
    """

    key: str

    @abstractmethod
    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Train, save the model and predict the test rows.

        Args:
            building: Folder to write into; it becomes the run folder when all is done.
            folder: The final run folder; checkpoints that must survive an interruption are kept beside it.
            progress: Where progress is reported.

        Raises:
            SlmbenchError: Training failed, or the saved model is not the trained one.
        """

    def clean_up(self, folder: Path) -> None:
        """Remove the files that are left beside a finished run, such as checkpoints; by default there are none."""
        return
