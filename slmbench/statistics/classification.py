"""Classifications counted and ranked: confusion matrices, F1, ROC curves; plain functions over arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
    """Count predictions: rows are true labels, columns predicted ones, both in label order.

    Args:
        truth: True label ids, shape (n,).
        predicted: Predicted label ids, shape (n,).
        classes: Number of labels.

    Returns:
        Counts, shape (classes, classes).
    """
    flat = np.asarray(truth) * classes + np.asarray(predicted)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def row_shares(confusion: ArrayLike) -> np.ndarray:
    """Return the counts of a confusion matrix as shares of the reviews that truly have the row's label.

    Args:
        confusion: Counts, shape (classes, classes).

    Returns:
        Shares of the same shape; 0 throughout for a label without reviews.
    """
    counts = np.asarray(confusion)
    return counts / np.maximum(1, counts.sum(1, keepdims=True))


def f1_per_class(confusion: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return F1 of each class; one that is never seen and never predicted counts 0, as in scikit-learn.

    Args:
        confusion: Counts, shape (..., classes, classes).
        support: Rows of each class, those without a label given among them, shape (..., classes).

    Returns:
        Shape (..., classes).
    """
    return f1_of_counts(np.diagonal(confusion, axis1=-2, axis2=-1), support, confusion.sum(-2))


def f1_of_counts(hit: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return F1 of each class from its rows that are right, that truly have it, and that were given it."""
    total = support + predicted
    return np.divide(2 * hit, total, out=np.zeros(hit.shape), where=total > 0)


def roc_curve(truth: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the ROC curve of binary scores, one point per distinct score.

    Args:
        truth: 1 for positive rows, 0 for the others, shape (n,).
        scores: Higher means more positive, shape (n,).

    Returns:
        False-positive and true-positive rates, from (0, 0) to (1, 1).
    """
    true_positive, false_positive = _found_by_threshold(truth, scores)
    return (
        np.concatenate([[0.0], false_positive / max(1, int(false_positive[-1]))]),
        np.concatenate([[0.0], true_positive / max(1, int(true_positive[-1]))]),
    )


def _found_by_threshold(truth: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Count true and false positives at each distinct score taken as threshold, highest first."""
    scores = np.asarray(scores, dtype=float)
    order = np.argsort(-scores, kind="stable")
    positive = np.asarray(truth)[order] == 1
    last_of_score = np.append(np.diff(scores[order]) != 0, True)
    return np.cumsum(positive)[last_of_score], np.cumsum(~positive)[last_of_score]


def mean_average_precision(truth: ArrayLike, probabilities: np.ndarray) -> float | None:
    """Return the mean over labels of the average precision of telling the label from the rest.

    Average precision is the sum of precision over the steps of recall, without interpolation (Manning et al.,
    *Introduction to Information Retrieval*, § 8.4), as in scikit-learn.

    Args:
        truth: True label ids, shape (n,).
        probabilities: Scores per label, shape (n, classes).

    Returns:
        The mean, or ``None`` when a label has no rows.
    """
    truth = np.asarray(truth)
    values = []
    for label in range(probabilities.shape[1]):
        is_label = (truth == label).astype(int)
        if not is_label.any():
            return None
        hits, misses = _found_by_threshold(is_label, probabilities[:, label])
        recall_steps = np.diff(hits, prepend=0) / hits[-1]
        values.append(float((recall_steps * hits / (hits + misses)).sum()))
    return float(np.mean(values))


def top_k_accuracy(truth: ArrayLike, probabilities: np.ndarray, k: int) -> float:
    """Return the share of rows whose true label is among the k likeliest; of equal scores the first label wins.

    Args:
        truth: True label ids, shape (n,).
        probabilities: Scores per label, shape (n, classes).
        k: How many labels may be named.
    """
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((likeliest == np.asarray(truth)[:, None]).any(1).mean())


def roc_auc(truth: ArrayLike, probabilities: np.ndarray) -> float | None:
    """Return the area under the ROC curve; for more than two classes the mean over one-against-rest curves.

    Args:
        truth: True label ids, shape (n,).
        probabilities: Scores per label, shape (n, classes).

    Returns:
        The area, or ``None`` when a label has no rows or all of them, where it is not defined.
    """
    truth = np.asarray(truth)
    classes = probabilities.shape[1]
    areas = []
    for label in [1] if classes == 2 else range(classes):
        is_label = (truth == label).astype(int)
        if is_label.sum() in (0, len(truth)):
            return None
        areas.append(float(np.trapezoid(*roc_curve(is_label, probabilities[:, label])[::-1])))
    return float(np.mean(areas))
