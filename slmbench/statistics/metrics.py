"""How good predictions are: confusion, accuracy, precision, recall, F1, ROC; each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from slmbench.statistics.intervals import Interval, bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


class Evaluation(BaseModel):
    """Metrics of one set of predictions.

    Precision and recall are macro averages; for two classes they are those of the second (positive) label.
    Reviews to which no label was given count as wrong everywhere but in ``confusion``, which has no column for
    them; so with abstentions micro-F1 is 2 x right / (reviews + answered), above the accuracy.
    """

    model_config = ConfigDict(frozen=True)

    reviews: int
    #: Reviews to which no label was given.
    abstained: int = 0
    labels: list[str]
    accuracy: float
    accuracy_ci95: Interval
    macro_f1: float
    macro_f1_ci95: Interval
    micro_f1: float
    precision: float
    recall: float
    roc_auc: float | None
    #: Share of reviews whose true label is among the 1, 2, 3 likeliest; of more than two labels only.
    top_k: dict[int, float]
    mean_average_precision: float | None
    majority_baseline: float
    confusion: list[list[int]]
    per_class: dict[str, dict[str, float]]


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
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = support + confusion.sum(-2)
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


def _share_interval(hits: np.ndarray) -> Interval:
    """Return the bootstrap 95 % interval of a share; where all or none hit, the exact one (Clopper & Pearson, 1934).

    Resamples of reviews that are all right are all right: the bootstrap would be sure of every review there is.
    """
    right = int(hits.sum())
    if 0 < right < len(hits):
        return bootstrap_interval(lambda sample: hits[sample].mean(1), len(hits))
    from scipy.stats import binomtest

    exact = binomtest(right, len(hits)).proportion_ci()
    return float(exact.low), float(exact.high)


def evaluate(
    truth: Sequence[int], probabilities: np.ndarray, labels: Sequence[str], abstained: Sequence[int] = ()
) -> Evaluation:
    """Score predictions against true labels, with bootstrap 95 % intervals over reviews.

    Args:
        truth: True label ids, shape (n,).
        probabilities: Probabilities, shape (n, classes); the prediction is the highest.
        labels: Label names in id order.
        abstained: Indices of rows to which no label was given; they count as wrong.

    Returns:
        The metrics; ``majority_baseline`` is the accuracy of always answering the commonest true label.
    """
    true = np.asarray(truth)
    classes = len(labels)
    rows, silent = len(true), sorted(abstained)
    predicted = probabilities.argmax(1)
    predicted[silent] = classes  # a column of its own, cut off below
    flat = true * (classes + 1) + predicted

    def counts_of(rows: np.ndarray) -> np.ndarray:
        cells = np.bincount(flat[rows], minlength=classes * (classes + 1))
        return cells.reshape(classes, classes + 1)

    full = counts_of(np.arange(rows))
    confusion, support = full[:, :classes], full.sum(1)
    f1 = f1_per_class(confusion, support)
    hits = (true == predicted).astype(float)

    def macro_f1_of(samples: np.ndarray) -> np.ndarray:
        counts = np.stack([counts_of(sample) for sample in samples])
        return f1_per_class(counts[..., :classes], counts.sum(-1)).mean(-1)

    columns = confusion.sum(0)
    hit = np.diagonal(confusion)
    precision = np.divide(hit, columns, out=np.zeros(classes), where=columns > 0)
    recall = np.divide(hit, support, out=np.zeros(classes), where=support > 0)
    answered = np.setdiff1d(np.arange(rows), silent)
    return Evaluation(
        reviews=rows,
        abstained=len(silent),
        labels=list(labels),
        accuracy=float(hits.mean()),
        accuracy_ci95=_share_interval(hits),
        macro_f1=float(f1.mean()),
        macro_f1_ci95=bootstrap_interval(macro_f1_of, rows),
        micro_f1=float(2 * hits.sum() / (rows + len(answered))),
        precision=float(precision[1] if classes == 2 else precision.mean()),
        recall=float(recall[1] if classes == 2 else recall.mean()),
        roc_auc=None if silent else roc_auc(true, probabilities),
        top_k={
            k: top_k_accuracy(true[answered], probabilities[answered], k) * len(answered) / rows
            for k in (1, 2, 3)
            if k < classes and classes > 2 and len(answered)
        },
        mean_average_precision=None if silent else mean_average_precision(true, probabilities),
        majority_baseline=float(support.max() / support.sum()),
        confusion=confusion.tolist(),
        per_class={
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "reviews": int(support[i]),
            }
            for i, name in enumerate(labels)
        },
    )
