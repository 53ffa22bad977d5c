"""What is known of one set of predictions: every metric with its interval, the confusion matrix, each label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, computed_field

from slmbench.common.errors import SlmbenchError
from slmbench.statistics.classification import f1_per_class
from slmbench.statistics.intervals import Interval
from slmbench.statistics.metrics import METRICS, ScoredReviews, precision_per_class, recall_per_class


class Evaluation(BaseModel):
    """Metrics of one set of predictions.

    Every metric of :data:`~slmbench.statistics.metrics.METRICS` is an attribute of its name, and its interval, where
    it has one, of ``NAME_ci95``; those that the code itself refers to are declared here. Reviews without a label
    count as wrong everywhere but in ``confusion``, which has no column for them; so with abstentions micro-F1 is
    2 x right / (reviews + answered), above the accuracy.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

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
    mean_average_precision: float | None
    #: Why a metric of an installed package is not among them, by its name.
    failed_metrics: dict[str, str] = Field(default_factory=dict)
    #: The accuracy of always answering the most frequent true label.
    majority_baseline: float
    #: Rows are true labels, columns predicted ones.
    confusion: list[list[int]]
    per_class: dict[str, dict[str, float]]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def top_k(self) -> dict[int, float]:
        """Share of reviews whose true label is among the 1, 2, 3 likeliest; of more than two labels only."""
        found = {1: self.accuracy, 2: self.value("top_2_accuracy"), 3: self.value("top_3_accuracy")}
        known = {k: share for k, share in found.items() if share is not None}
        return known if len(known) > 1 else {}

    @property
    def only_answer(self) -> str | None:
        """The label that every review was given, although the reviews have several; ``None`` where answers vary."""
        counts = np.asarray(self.confusion)
        if self.abstained or np.count_nonzero(counts.sum(1)) < 2 or np.count_nonzero(counts.sum(0)) != 1:
            return None
        return self.labels[int(counts.sum(0).argmax())]

    @property
    def one_answer_sentence(self) -> str:
        """What a reader has to know of a model that gives one label to all reviews; empty of any other."""
        if self.only_answer is None:
            return ""
        share = self.per_class[self.only_answer]["reviews"] / self.reviews
        return (
            f"every test review is given the label '{self.only_answer}': the model does not distinguish the"
            f" labels, and its accuracy is the share of that label ({100 * share:.1f} %)"
        )

    def value(self, metric: str) -> float | None:
        """Return a metric by name; ``None`` where it is not defined for these predictions."""
        found: float | None = getattr(self, metric, None)
        return found

    def interval(self, metric: str) -> Interval | None:
        """Return the 95 % interval of a metric by name; ``None`` where there is none."""
        found: Interval | None = getattr(self, f"{metric}_ci95", None)
        return found


def evaluate(
    truth: Sequence[int], probabilities: np.ndarray, labels: Sequence[str], abstained: Sequence[int] = ()
) -> Evaluation:
    """Score predictions against true labels with every metric there is.

    Args:
        truth: True label ids, shape (n,).
        probabilities: Probabilities, shape (n, classes); the prediction is the highest.
        labels: Label names in id order.
        abstained: Indices of rows to which no label was given; they count as wrong.

    Returns:
        The metrics, with intervals over reviews where they have them. A metric of an installed package that cannot be
        loaded or computed is left out, with the reason, so that no finished training is lost by it.
    """
    reviews = ScoredReviews.of(truth, probabilities, labels, abstained)
    metrics: dict[str, float | Interval | None] = {}
    failed: dict[str, str] = {}
    for name in METRICS.names:
        try:
            metric = METRICS[name]
            value, interval = metric.of(reviews)
        except SlmbenchError as error:
            failed[name] = str(error)
            continue
        metrics[name] = value
        if metric.interval is not None:
            metrics[f"{name}_ci95"] = interval
    support = reviews.support
    scores = precision_per_class(reviews), recall_per_class(reviews), f1_per_class(reviews.confusion, support)
    return Evaluation.model_validate(
        {
            "reviews": len(reviews),
            "abstained": len(abstained),
            "labels": list(labels),
            **metrics,
            "failed_metrics": failed,
            "majority_baseline": float(support.max() / support.sum()),
            "confusion": reviews.confusion.tolist(),
            "per_class": {
                name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "reviews": int(count)}
                for name, precision, recall, f1, count in zip(labels, *scores, support, strict=True)
            },
        }
    )
