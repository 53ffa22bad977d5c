"""Metrics: each declared once, with its title, range, source and interval; installed packages add more.

A package adds a metric by the entry point group ``slmbench.metrics``::

    def mcc(reviews: ScoredReviews) -> float | None:
        ...

    MCC = Metric("mcc", "Matthews correlation", mcc, "Matthews 1975", range=(-1, 1), interval=bootstrapped(mcc))

It is then computed wherever predictions are evaluated, and shown by ``evaluate``, ``compare`` and the reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.common.registry import Registry
from slmbench.statistics.classification import (
    confusion_matrix,
    f1_per_class,
    mean_average_precision,
    roc_auc,
    top_k_accuracy,
)
from slmbench.statistics.intervals import Interval, bootstrap_interval, counts_bootstrap_interval


@dataclass(frozen=True, eq=False)
class ScoredReviews:
    """Reviews with their true labels and what a classifier answered: what metrics are computed from.

    Attributes:
        truth: True label ids, shape (n,).
        probabilities: Probabilities of each label, shape (n, classes); without meaning where no label was given.
        predicted: Predicted label ids, shape (n,); -1 where no label was given, which counts as wrong.
        labels: Label names in id order.
    """

    truth: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    labels: tuple[str, ...]

    @classmethod
    def of(
        cls,
        truth: Sequence[int],
        probabilities: np.ndarray,
        labels: Sequence[str],
        abstained: Sequence[int] = (),
    ) -> ScoredReviews:
        """Build from columns; the prediction is the label with the highest probability.

        Args:
            truth: True label ids, shape (n,).
            probabilities: Probabilities, shape (n, classes).
            labels: Label names in id order.
            abstained: Indices of reviews to which no label was given.
        """
        predicted = probabilities.argmax(1)
        predicted[list(abstained)] = -1
        return cls(np.asarray(truth), probabilities, predicted, tuple(labels))

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def classes(self) -> int:
        """Number of labels."""
        return len(self.labels)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each review is classified right, shape (n,)."""
        return self.predicted == self.truth

    @cached_property
    def answered(self) -> np.ndarray:
        """Whether each review was given a label, shape (n,)."""
        return self.predicted >= 0

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts of reviews with a label, true labels as rows, shape (classes, classes)."""
        return confusion_matrix(self.truth[self.answered], self.predicted[self.answered], self.classes)

    @cached_property
    def support(self) -> np.ndarray:
        """Reviews of each true label, those without an answer among them, shape (classes,)."""
        return np.bincount(self.truth, minlength=self.classes)

    def take(self, rows: np.ndarray) -> ScoredReviews:
        """Return the reviews of these indices, which may repeat."""
        return ScoredReviews(self.truth[rows], self.probabilities[rows], self.predicted[rows], self.labels)


@dataclass(frozen=True)
class Metric:
    """How good predictions are, in one number.

    Attributes:
        name: Its key in records, such as ``macro_f1``.
        title: What people call it.
        compute: From reviews to the value; ``None`` where it is not defined.
        source: Where the formula is published.
        better: Whether more or less of it is better.
        range: Lowest and highest possible value.
        unit: ``%`` for a share that is written as a percentage; otherwise it is written as it is.
        interval: From reviews to the 95 % interval, such as :func:`bootstrapped`; ``None`` where none is computed.
        summary_from: Fewest labels with which summaries show it; ``None`` where they never do, because others say as
            much.
        in_tables: Whether tables of many classifiers have a column for it.
    """

    name: str
    title: str
    compute: Callable[[ScoredReviews], float | None]
    source: str
    better: Literal["more", "less"] = "more"
    range: tuple[float, float] = (0.0, 1.0)
    unit: Literal["%", ""] = ""
    interval: Callable[[ScoredReviews], Interval | None] | None = None
    summary_from: int | None = 2
    in_tables: bool = True

    def in_summary(self, labels: int) -> bool:
        """Tell whether summaries show it for classifications of so many labels."""
        return self.summary_from is not None and labels >= self.summary_from

    def of(self, reviews: ScoredReviews) -> tuple[float | None, Interval | None]:
        """Return the value and its interval, each ``None`` where it is not known.

        Raises:
            SlmbenchError: The metric fails on these reviews; the message names it.
        """
        try:
            value = self.compute(reviews)
            interval = None if value is None or self.interval is None else self.interval(reviews)
        except Exception as error:  # a package's metric may fail in any way
            raise SlmbenchError(f"the metric '{self.name}' cannot be computed: {first_line(error)}") from error
        if value is None or not math.isfinite(value):
            return None, None
        return float(value), None if interval is None else (float(interval[0]), float(interval[1]))


def bootstrapped(compute: Callable[[ScoredReviews], float | None]) -> Callable[[ScoredReviews], Interval]:
    """Return how to compute a metric's bootstrap 95 % interval over reviews.

    Args:
        compute: The metric; resamples in which it is not defined are left out.
    """

    def interval(reviews: ScoredReviews) -> Interval:
        def values(samples: np.ndarray) -> np.ndarray:
            found = [compute(reviews.take(sample)) for sample in samples]
            return np.array([math.nan if value is None else value for value in found])

        return bootstrap_interval(values, len(reviews))

    return interval


def precision_per_class(reviews: ScoredReviews) -> np.ndarray:
    """Return the share of each predicted label that is right, shape (classes,); 0 where it is never predicted."""
    columns, hits = reviews.confusion.sum(0), np.diagonal(reviews.confusion)
    return np.divide(hits, columns, out=np.zeros(reviews.classes), where=columns > 0)


def recall_per_class(reviews: ScoredReviews) -> np.ndarray:
    """Return the share of each true label that is found, shape (classes,); 0 where it has no reviews."""
    hits = np.diagonal(reviews.confusion)
    return np.divide(hits, reviews.support, out=np.zeros(reviews.classes), where=reviews.support > 0)


def _positive_or_mean(values: np.ndarray) -> float:
    """Return that of the second label where there are two, else the macro average."""
    return float(values[1] if len(values) == 2 else values.mean())


def _accuracy_interval(reviews: ScoredReviews) -> Interval:
    """Return the bootstrap interval; where all or none are right, the exact one (Clopper & Pearson, 1934).

    Resamples of reviews that are all right are all right: the bootstrap would be sure of every review there is.
    """
    right, count = int(reviews.right.sum()), len(reviews)
    if 0 < right < count:
        return counts_bootstrap_interval(lambda counts: counts[:, 1] / count, reviews.right.astype(int))
    from scipy.stats import binomtest

    exact = binomtest(right, count).proportion_ci()
    return float(exact.low), float(exact.high)


def _macro_f1_interval(reviews: ScoredReviews) -> Interval:
    """Return :func:`bootstrapped` of macro-F1, which is asked for often, from counts alone."""
    classes = reviews.classes
    # No label given is a column of its own, the last, which counts in the support only.
    flat = reviews.truth * (classes + 1) + np.where(reviews.answered, reviews.predicted, classes)

    def values(counts: np.ndarray) -> np.ndarray:
        padded = np.zeros((len(counts), classes * (classes + 1)))
        padded[:, : counts.shape[1]] = counts
        table = padded.reshape(-1, classes, classes + 1)
        return f1_per_class(table[..., :classes], table.sum(-1)).mean(-1)

    return counts_bootstrap_interval(values, flat)


def _top_k(k: int) -> Callable[[ScoredReviews], float | None]:
    def compute(reviews: ScoredReviews) -> float | None:
        answered = reviews.take(np.flatnonzero(reviews.answered))
        if reviews.classes <= max(k, 2) or not len(answered):
            return None
        return top_k_accuracy(answered.truth, answered.probabilities, k) * len(answered) / len(reviews)

    return compute


_PER_CLASS = "of the second label when there are two, else the mean over labels"

#: Every metric by name: slmbench's own, and those of installed packages.
METRICS: Registry[Metric] = Registry(
    "metric",
    "slmbench.metrics",
    (
        Metric(
            "accuracy",
            "accuracy",
            lambda reviews: float(reviews.right.mean()),
            source="share of reviews classified right",
            unit="%",
            interval=_accuracy_interval,
        ),
        Metric(
            "macro_f1",
            "macro-F1",
            lambda reviews: float(f1_per_class(reviews.confusion, reviews.support).mean()),
            source="Manning et al., Introduction to Information Retrieval, § 13.6; mean of F1 over labels",
            interval=_macro_f1_interval,
        ),
        Metric(
            "micro_f1",
            "micro-F1",
            lambda reviews: float(2 * reviews.right.sum() / (len(reviews) + reviews.answered.sum())),
            source="Manning et al., § 13.6; F1 of pooled counts, the accuracy where every review has a label",
            summary_from=None,
            in_tables=False,
        ),
        Metric(
            "precision",
            "precision",
            lambda reviews: _positive_or_mean(precision_per_class(reviews)),
            source=f"Manning et al., § 8.3; {_PER_CLASS}",
            summary_from=None,
            in_tables=False,
        ),
        Metric(
            "recall",
            "recall",
            lambda reviews: _positive_or_mean(recall_per_class(reviews)),
            source=f"Manning et al., § 8.3; {_PER_CLASS}",
            summary_from=None,
            in_tables=False,
        ),
        Metric(
            "roc_auc",
            "ROC AUC",
            lambda reviews: roc_auc(reviews.truth, reviews.probabilities) if reviews.answered.all() else None,
            source="Fawcett, Pattern Recognition Letters 27, 2006; mean over one-against-rest curves",
            in_tables=False,
        ),
        Metric(
            "top_2_accuracy",
            "top-2 accuracy",
            _top_k(2),
            source="share of reviews whose true label is among the two likeliest; of more than two labels",
            unit="%",
            in_tables=False,
        ),
        Metric(
            "top_3_accuracy",
            "top-3 accuracy",
            _top_k(3),
            source="share of reviews whose true label is among the three likeliest; of more than three labels",
            unit="%",
            in_tables=False,
        ),
        Metric(
            "mean_average_precision",
            "mean average precision",
            lambda reviews: (
                mean_average_precision(reviews.truth, reviews.probabilities) if reviews.answered.all() else None
            ),
            source="Manning et al., § 8.4; mean over labels, without interpolation",
            summary_from=3,
            in_tables=False,
        ),
    ),
)
