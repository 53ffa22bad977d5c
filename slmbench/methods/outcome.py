"""What every way of getting a classifier has in common: a key, a run, what it hands to the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from slmbench.records import TrainCost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from slmbench.common.progress import Progress
    from slmbench.records import AnswerCost

#: A saved model that is read back must repeat the scores it was kept for to this; fp32 sums differ by less.
RELOAD_TOLERANCE = 1e-3
#: Test reviews on which that is checked.
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


@dataclass(frozen=True)
class Outcome:
    """A classifier and its answers on the test rows: the fields of the run record that only its method knows.

    Attributes:
        model: As the user named it.
        model_source: Where its files came from.
        base_sha256: Hash of the pretrained weights.
        weights_sha256: Hash of the weights that gave the answers.
        architecture: ``model_type`` of its configuration.
        base_license: Licence of the pretrained weights where it is known.
        max_length: Longest input in tokens.
        hyperparameters: Everything chosen, defaults filled in.
        trainable_parameters: How many were trained.
        total_parameters: How many there are.
        parameters_without_embeddings: The same less embedding tables.
        train: What training took.
        logits: Scores on the test rows, shape (rows, labels); their softmax are the recorded probabilities.
        abstained: Indices of test rows to which no label was given.
        answering: What answering the test rows took; for methods that do not answer in one forward pass.
        shots: Labelled examples per label; ``None`` when all training rows were used.
        has_model: Whether ``model/`` was written and holds a classifier that can be exported.
        details: What only this method has to say.
        notes: Sentences that a reader of the numbers has to know.
    """

    model: str
    model_source: str
    base_sha256: str | None
    weights_sha256: str
    architecture: str
    base_license: str | None
    max_length: int | None
    hyperparameters: dict[str, Any]
    trainable_parameters: int
    total_parameters: int
    parameters_without_embeddings: int
    train: TrainCost
    logits: np.ndarray
    abstained: Sequence[int] = ()
    answering: AnswerCost | None = None
    shots: int | None = None
    has_model: bool = True
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class RunMethod(Protocol):
    """One way of getting a classifier, with every choice settled.

    Attributes:
        key: Hash of everything the result depends on.
    """

    key: str

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Train or ask the model, save what is to be kept below ``building``, and answer the test rows.

        Args:
            building: Folder to write into.
            folder: Where it will stand; what has to outlive an interruption is kept beside it.
            progress: Where to say how far it is.

        Raises:
            SlmbenchError: Training failed, or the saved model is not the trained one.
        """

    def clean_up(self, folder: Path) -> None:
        """Remove what is left beside a finished run."""
