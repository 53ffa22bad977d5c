"""Metrics, intervals and tests: plain functions over arrays, shared by every stage."""

from slmbench.statistics.intervals import (
    Interval,
    bootstrap_interval,
    clustered_median_interval,
    median_interval,
    percentile,
    supported_percentile,
)
from slmbench.statistics.metrics import (
    Evaluation,
    confusion_matrix,
    evaluate,
    mean_average_precision,
    roc_auc,
    roc_curve,
    top_k_accuracy,
)
from slmbench.statistics.paired import PairedDifference, paired_difference

__all__ = [
    "Evaluation",
    "Interval",
    "PairedDifference",
    "bootstrap_interval",
    "clustered_median_interval",
    "confusion_matrix",
    "evaluate",
    "mean_average_precision",
    "median_interval",
    "paired_difference",
    "percentile",
    "roc_auc",
    "roc_curve",
    "supported_percentile",
    "top_k_accuracy",
]
