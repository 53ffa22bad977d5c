"""The losses of a classifier: cross-entropy, with weights of classes, and distillation.

Distillation is that of Hinton, Vinyals and Dean (*Distilling the Knowledge in a Neural Network*, 2015): cross-entropy
with the teacher's probabilities at temperature T, times T² so that its gradients keep their size, and on labelled
rows a share of the cross-entropy with the true label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


#: Label of rows whose label is unknown; cross-entropy ignores it (torch's ``ignore_index``).
UNKNOWN_LABEL = -100


def weighted_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weights: np.ndarray | None = None
) -> torch.Tensor:
    """Return the cross-entropy of a batch.

    Weighted rows are summed and divided by the number of rows. torch's own weighted mean divides by the weights that
    happen to be in the batch, so that in a batch without a rare class its common ones would count in full.

    Args:
        logits: Shape (rows, classes).
        labels: Label ids, shape (rows,).
        weights: Weight of each class, from :func:`class_weights`; all 1 when not given.

    Returns:
        A scalar.
    """
    import torch
    from torch.nn import functional

    labels = labels.to(logits.device)
    if weights is None:
        return functional.cross_entropy(logits, labels)
    of_classes = torch.from_numpy(weights).to(logits.device, logits.dtype)
    return functional.cross_entropy(logits, labels, weight=of_classes, reduction="none").mean()


def distillation_loss(
    student: torch.Tensor,
    teacher: torch.Tensor,
    labels: torch.Tensor,
    temperature: float,
    hard_weight: float,
    weights: np.ndarray | None = None,
) -> torch.Tensor:
    """Return the loss of a batch.

    Args:
        student: Logits, shape (rows, classes).
        teacher: Logits, shape (rows, classes).
        labels: True label ids, shape (rows,); :data:`UNKNOWN_LABEL` when unknown.
        temperature: The temperature T.
        hard_weight: Weight of the true label, on rows that have one.
        weights: Weight of each class in the cross-entropy with the true label; all 1 when not given.

    Returns:
        A scalar: the mean over rows.
    """
    import torch
    from torch.nn import functional

    student = student.float()
    soft = functional.cross_entropy(
        student / temperature, (teacher.float() / temperature).softmax(-1), reduction="none"
    ) * (temperature**2)
    of_classes = None if weights is None else torch.from_numpy(weights).to(student.device)
    hard = functional.cross_entropy(student, labels, weight=of_classes, reduction="none", ignore_index=UNKNOWN_LABEL)
    weight = hard_weight * (labels != UNKNOWN_LABEL)
    return ((1 - weight) * soft + weight * hard).mean()


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
