"""What every way of training has in common: a key, a run, what it hands to the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from slmbench.progress import Progress
    from slmbench.records import TrainCost


@dataclass(frozen=True)
class Trained:
    """A trained classifier, saved and tested: the fields of the run record that the way of training knows.

    ``logits`` are those of the saved model on the test rows, shape (rows, labels).
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


class Training(Protocol):
    """One way of training, with every choice settled.

    Attributes:
        key: Hash of everything the result depends on.
    """

    key: str

    def run(self, building: Path, folder: Path, progress: Progress) -> Trained:
        """Train, save the model below ``building`` and test it.

        Args:
            building: Folder to write into.
            folder: Where it will stand; what has to outlive an interruption is kept beside it.
            progress: Where to say how far it is.

        Raises:
            SlmbenchError: Training failed, or the saved model is not the trained one.
        """

    def clean_up(self, folder: Path) -> None:
        """Remove what is left beside a finished run."""
