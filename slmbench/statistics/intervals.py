"""Intervals for medians and metrics, and the rule for which percentiles a sample supports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

Interval = tuple[float, float]

#: Smallest samples in which a percentile's upper estimate holds with 99 % confidence although one outlier is
#: allowed: the smallest n with P(Binomial(n, 1 - p) <= 1) <= 1 %. (p90: 64, p95: 130, p99: 662.)
PERCENTILE_SAMPLES = {90: 64, 95: 130, 99: 662}


def percentile(samples: ArrayLike, q: float) -> float:
    """Return the q-th percentile (0-100) of a sample, linearly interpolated."""
    return float(np.percentile(np.asarray(samples, dtype=float), q))


def supported_percentile(samples: Sequence[float], q: int) -> tuple[float | None, str | None]:
    """Return a percentile when the sample is large enough for it, else nothing and the reason.

    Args:
        samples: Observations in any order.
        q: 90, 95 or 99.

    Returns:
        The percentile and ``None``, or ``None`` and one phrase that says how many samples it takes.
    """
    needed = PERCENTILE_SAMPLES[q]
    if len(samples) < needed:
        return None, f"p{q} needs {needed} samples, there are {len(samples)}"
    return percentile(samples, q), None


def median_interval(samples: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Return the distribution-free interval of the median from order statistics.

    The ranks come from the Binomial(n, 1/2) distribution (David & Nagaraja, *Order Statistics*, 3rd ed., §7.1).

    Args:
        samples: Observations, shape (n,).
        confidence: Coverage wanted; the interval covers at least this much.

    Returns:
        Lower and upper end, or ``None`` when n < 6, where no 95 % interval exists.
    """
    from scipy.stats import binom

    ordered = np.sort(np.asarray(samples, dtype=float))
    n = len(ordered)
    # [x_(rank), x_(n+1-rank)] covers the median with probability 1 - 2 P(B < rank), and ppf gives the largest rank
    # at which that is no less than wanted.
    rank = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    if rank < 1:
        return None
    return float(ordered[rank - 1]), float(ordered[n - rank])


def clustered_median_interval(
    clusters: Sequence[Sequence[float]], *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Interval | None:
    """Return the bootstrap interval of the median over samples that come in clusters, such as processes.

    Clusters are resampled, then the samples inside each (Davison & Hinkley, *Bootstrap Methods and their
    Application*, § 3.8), so that the interval is as wide as the clusters differ. With one cluster it is
    :func:`median_interval`.

    Args:
        clusters: Samples of each cluster, of about equal number.
        confidence: Coverage wanted.
        resamples: Number of bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        Lower and upper end, or ``None`` when there are fewer than six samples.
    """
    if len(clusters) == 1:
        return median_interval(clusters[0], confidence)
    if sum(len(cluster) for cluster in clusters) < 6:
        return None
    generator = np.random.default_rng(seed)
    samples = [np.asarray(cluster, dtype=float) for cluster in clusters]
    medians = np.empty(resamples)
    for index in range(resamples):
        drawn = [samples[cluster] for cluster in generator.integers(0, len(samples), len(samples))]
        medians[index] = np.median(
            np.concatenate([values[generator.integers(0, len(values), len(values))] for values in drawn])
        )
    tail = (1 - confidence) / 2 * 100
    low, high = np.percentile(medians, [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of a statistic over n rows.

    Rows are resampled by index, so that a statistic may look at several columns of each row at once
    (Efron & Tibshirani, *An Introduction to the Bootstrap*, ch. 13).

    Args:
        statistic: From row indices of shape (resamples, n) to values of shape (resamples,).
        n: Number of rows.
        confidence: Coverage wanted.
        resamples: Number of bootstrap samples.
        seed: Seed of the resampling; the same rows give the same interval.

    Returns:
        Lower and upper end.
    """
    generator = np.random.default_rng(seed)
    values: list[np.ndarray] = []
    # In blocks, so that 2,000 resamples of 25,000 rows do not take 400 MB at once.
    block = max(1, min(resamples, 2_000_000 // max(n, 1)))
    done = 0
    while done < resamples:
        size = min(block, resamples - done)
        values.append(np.asarray(statistic(generator.integers(0, n, size=(size, n))), dtype=float))
        done += size
    tail = (1 - confidence) / 2 * 100
    low, high = np.nanpercentile(np.concatenate(values), [tail, 100 - tail])
    return float(low), float(high)
