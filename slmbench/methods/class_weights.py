"""Weights of classes: a class that is rare among the training rows counts as much as a common one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def class_weights(chosen: str | None, labels: Sequence[int], classes: int) -> np.ndarray | None:
    """Return the weight of each class in a loss.

    "Balanced" is n / (k n_c) for n rows, k classes and n_c rows of the class (King and Zeng, *Logistic regression in
    rare events data*, 2001, § 4.2, as in scikit-learn's ``class_weight``): the weights of all rows sum up to n, those
    of each class to n / k.

    Args:
        chosen: The option ``class_weight``.
        labels: Label ids of the training rows.
        classes: Number of classes.

    Returns:
        Shape (classes,), float32; 0 for a class without a row. ``None`` when no weights are wanted.
    """
    if chosen != "balanced":
        return None
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=classes)
    weights = counts.sum() / (classes * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 0.0).astype(np.float32)
