"""The rules that slmbench had before its verdicts had margins (commit 6eaaa73), as baselines.

Numbers in, results out. Accuracies counted as equal when the exact McNemar test found no difference and the estimates
were within a point; a time, when intervals overlapped; gates and the export's guard judged estimates; nothing was
undecided.
"""

from __future__ import annotations

import numpy as np

from slmbench.statistics import Interval, ratio_interval, t_interval
from slmbench.statistics.intervals import Estimate
from slmbench.statistics.verdicts import Verdict

EQUAL_WITHIN = 0.01
SIGNIFICANCE = 0.05
#: Bootstrap samples of an interval; it used 1,000, which makes the ends a little more exact, not wider.
RESAMPLES = 200


def accuracy_verdict(lost: int, gained: int, n: int, p_value: float) -> Verdict:
    """Return what was said of the second of two classifiers on the same reviews."""
    difference = (gained - lost) / n
    if p_value >= SIGNIFICANCE and round(abs(difference), 9) <= EQUAL_WITHIN:
        return "equivalent"
    return "better" if difference > 0 else "worse"


def fails_if_worse(lost: int, gained: int, n: int, limit: float) -> bool:
    """Return whether ``--fail-if-worse`` failed."""
    return round((lost - gained) / n, 9) > limit


def guard_accepts(lost: int, gained: int, n: int, limit: float) -> bool:
    """Return whether the export accepted a form."""
    return round((lost - gained) / n, 9) <= limit


def speed_verdict(first: Estimate, second: Estimate) -> Verdict:
    """Return what was said of the time of the second compared with the first: overlapping intervals were equal."""
    (_, one), (_, other) = first, second
    assert one is not None and other is not None
    if one[1] < other[0]:
        return "worse"
    return "better" if other[1] < one[0] else "equivalent"


def fails_if_slower(first: Estimate, second: Estimate, limit: float) -> bool:
    """Return whether ``--fail-if-slower`` failed: the ratio above the limit, and its interval above 1."""
    interval = ratio_interval(first, second)
    return interval is not None and second[0] / first[0] > 1 + limit and interval[0] > 1


def percentile_interval(processes_ms: np.ndarray, q: float, generator: np.random.Generator) -> Interval:
    """Return the interval of a percentile over processes, every sample counted as independent.

    At each end the wider of the bootstrap over processes and the samples in each, and Student's t over their own.

    Args:
        processes_ms: Shape (processes, samples).
        q: The percentile.
        generator: Of the bootstrap.
    """
    logs = np.log(processes_ms)
    processes, samples = logs.shape
    owner = generator.integers(0, processes, (RESAMPLES, processes, 1))
    drawn = logs[owner, generator.integers(0, samples, (RESAMPLES, processes, samples))].reshape(RESAMPLES, -1)
    low, high = np.percentile(np.percentile(drawn, q, axis=1), (2.5, 97.5))
    if processes > 1:
        low_t, high_t = t_interval(np.percentile(logs, q, axis=1))
        low, high = min(low, low_t), max(high, high_t)
    return float(np.exp(low)), float(np.exp(high))
