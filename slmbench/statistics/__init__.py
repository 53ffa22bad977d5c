"""Metrics, intervals and tests: plain functions over arrays, shared by every stage.

Quantiles, exact tests and bootstrap intervals come from scipy, which the base install therefore has: 143 MB, a
third of what it installs. Measuring on a device needs it (``profile``: Student's t over processes, order
statistics, an exact binomial test, Theil-Sen slopes; ``compare``: McNemar's test, Tango's intervals), and without
scipy Student's quantiles would have to be a table or an inverse incomplete beta function of our own. It is
imported inside the functions that use it (0.6 s), so that neither ``--help`` nor the process that is measured
loads it. Written by hand is only what scipy does not have: the bootstrap over clusters
(:mod:`~slmbench.statistics.clusters`), that over reviews × processes (:mod:`~slmbench.statistics.review_times`), and
outliers per review.
"""

from slmbench.statistics.classification import (
    confusion_matrix,
    f1_per_class,
    mean_average_precision,
    roc_auc,
    roc_curve,
    row_shares,
    top_k_accuracy,
)
from slmbench.statistics.clusters import (
    Ratio,
    clustered_median_interval,
    clustered_percentile_interval,
    paired_ratio,
    ratio_of_medians,
    t_interval,
    why_no_interval,
)
from slmbench.statistics.intervals import (
    PERCENTILE_SAMPLES,
    Interval,
    bootstrap_interval,
    counts_bootstrap_interval,
    cross_validation_interval,
    median_interval,
    percentile,
    quantile_interval,
    ratio_interval,
    supported_percentile,
)
from slmbench.statistics.metrics import METRICS, Metric, ScoredReviews, bootstrapped
from slmbench.statistics.outliers import Outliers, count_outliers
from slmbench.statistics.paired import SIGNIFICANCE, PairedDifference, paired_difference
from slmbench.statistics.review_times import crossed_percentile_interval, noise_interval, timing_interval
from slmbench.statistics.scores import Evaluation, evaluate

__all__ = [
    "METRICS",
    "PERCENTILE_SAMPLES",
    "SIGNIFICANCE",
    "Evaluation",
    "Interval",
    "Metric",
    "Outliers",
    "PairedDifference",
    "Ratio",
    "ScoredReviews",
    "bootstrap_interval",
    "bootstrapped",
    "clustered_median_interval",
    "clustered_percentile_interval",
    "confusion_matrix",
    "count_outliers",
    "counts_bootstrap_interval",
    "cross_validation_interval",
    "crossed_percentile_interval",
    "evaluate",
    "f1_per_class",
    "mean_average_precision",
    "median_interval",
    "noise_interval",
    "paired_difference",
    "paired_ratio",
    "percentile",
    "quantile_interval",
    "ratio_interval",
    "ratio_of_medians",
    "roc_auc",
    "roc_curve",
    "row_shares",
    "supported_percentile",
    "t_interval",
    "timing_interval",
    "top_k_accuracy",
    "why_no_interval",
]
