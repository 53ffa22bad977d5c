"""What students without a torch model learn from: rows with the share that each label has in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.progress import Progress
from slmbench.corpora import Corpus, Split
from slmbench.edge.runtime import softmax
from slmbench.methods.options import MethodOptions

if TYPE_CHECKING:
    from slmbench.methods.training.distillation import Teachers


def all_labelled(corpus: Corpus) -> Split:
    """Return training and validation rows: no epoch is picked on the latter, so that they may be learned from."""
    return Split(
        corpus.train.texts + corpus.validation.texts,
        corpus.train.labels + corpus.validation.labels,
        corpus.train.row_ids + corpus.validation.row_ids,
    )


def open_teachers(options: MethodOptions, corpus: Corpus) -> Teachers | None:
    """Open the teachers, whose libraries are loaded only where there are any; see ``Teachers.open``."""
    folders = options.given.get("teacher")
    if not folders:
        return None
    from slmbench.methods.training.distillation import Teachers

    return Teachers.open(folders, corpus)


def soft_lessons(
    teachers: Teachers,
    rows: Split,
    corpus: Corpus,
    progress: Progress,
    *,
    hard_weight: float,
    temperature: float = 1.0,
) -> tuple[Split, np.ndarray]:
    """Return the rows to learn from and the share of each label in each of them.

    A row without a label gets the teachers' most probable one, and their probabilities as shares; a labelled row
    keeps its label, and its shares are a mixture of both.

    Args:
        teachers: The teachers.
        rows: Labelled rows.
        corpus: The corpus, with its unlabelled reviews.
        progress: Where progress is reported.
        hard_weight: Weight of the true label in the mixture.
        temperature: Divides the teachers' logits.

    Returns:
        The rows, the unlabelled ones last; the shares, shape (rows, labels).

    Raises:
        SlmbenchError: A teacher's model cannot be loaded, or it predicts NaN.
    """
    from slmbench.instruments.devices import choose_device

    both, logits = teachers.lessons(rows, corpus, choose_device("auto"), progress)
    shares = softmax(logits / temperature)
    guessed = shares[len(rows) :].argmax(-1).tolist()
    true = np.eye(shares.shape[1], dtype=shares.dtype)[rows.labels]
    shares[: len(rows)] += hard_weight * (true - shares[: len(rows)])
    return Split(both.texts, rows.labels + guessed, both.row_ids), shares
