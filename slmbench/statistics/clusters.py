"""Intervals over samples that come in clusters, such as the processes of a measurement, and ratios of two such sets.

Samples of one process are more alike than samples of two, so an interval has to cover how much processes differ.
Each end here is the wider of two intervals: a bootstrap over clusters and over the samples in each, and Student's
t over the clusters' own statistics. The bootstrap alone covers too seldom with few clusters that differ (three of
them enclose their centre in 75 % of cases); Student's t alone may be narrow by chance, when few clusters happen
to agree. ``scipy.stats.bootstrap`` does not resample clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Sized
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from slmbench.statistics.intervals import Interval
from slmbench.statistics.verdicts import Bounds

if TYPE_CHECKING:
    #: From bootstrap samples, shape (replays, samples, ...), to a number each, shape (replays,).
    Statistic = Callable[[np.ndarray], np.ndarray]

#: With fewer samples over all clusters there is no interval: six are needed to bound a median by order statistics.
MIN_SAMPLES = 6
#: Numbers drawn at once while resampling: 16 million bytes.
_AT_ONCE = 2_000_000
#: With fewer clusters there is no interval: of one, how much clusters differ is unknown, and Student's t over two has
#: one degree of freedom, whose 95 % bounds are 13 times their spread (of two processes near 24 ms: 7e-6 to 1e7 ms).
MIN_CLUSTERS = 3


def why_no_interval(clusters: Sequence[Sized]) -> str | None:
    """Return why clusters of times have no interval, as a phrase; ``None`` where they have one.

    Args:
        clusters: Samples of each process.
    """
    if len(clusters) < MIN_CLUSTERS:
        return f"too few processes ({len(clusters)}) for an interval: {MIN_CLUSTERS} are needed"
    samples = sum(len(cluster) for cluster in clusters)
    return f"too few samples ({samples}) for an interval: {MIN_SAMPLES} are needed" if samples < MIN_SAMPLES else None


class Ratio(BaseModel):
    """First over second of two paired measurements; intervals where there are enough samples.

    Each end of ``ci90`` is a one-sided 95 % bound: what gates and "equivalent" are read from.
    """

    model_config = ConfigDict(frozen=True)

    value: float
    ci95: Interval | None
    ci90: Interval | None = None

    def bounds(self) -> Bounds | None:
        """Return the logarithm of second / first, positive where the second takes longer; ``None`` without intervals.

        That is "positive is better" for the first, compared with the second.
        """
        if self.ci95 is None or self.ci90 is None:
            return None
        (low, high), (inner_low, inner_high) = self.ci95, self.ci90
        return Bounds(
            -math.log(self.value),
            (-math.log(high), -math.log(low)),
            (-math.log(inner_high), -math.log(inner_low)),
        )


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return Student's interval of the mean of a few independent values (Student, *Biometrika* 6, 1908).

    Args:
        values: At least two values.
        confidence: Coverage wanted.
    """
    from scipy.stats import t

    values = np.asarray(values, dtype=float)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    mean, half = float(values.mean()), float(t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return mean - half, mean + half


def clustered_percentile_interval(
    clusters: Sequence[Sequence[float]],
    q: float = 50,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Return the interval of a percentile over clusters of positive samples, such as times.

    It is the wider, at each end, of the percentile bootstrap over clusters and then over the samples in each (Davison
    & Hinkley, *Bootstrap Methods and their Application*, § 3.8) and of Student's t over the logarithms of the
    clusters' own percentiles: times of processes differ by factors.

    Args:
        clusters: Samples of each cluster, all above 0, of about equal number.
        q: The percentile, between 0 and 100.
        confidence: Coverage wanted.
        resamples: Number of bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        Lower and upper end, or ``None`` (see :func:`why_no_interval`).
    """
    columns = [np.log(np.asarray(cluster, dtype=float)) for cluster in clusters]
    intervals = _clustered_intervals(columns, lambda rows: _percentile(rows, q), (confidence,), resamples, seed)
    return _exp(intervals[0])


def clustered_median_interval(clusters: Sequence[Sequence[float]], confidence: float = 0.95) -> Interval | None:
    """Return :func:`clustered_percentile_interval` of the median."""
    return clustered_percentile_interval(clusters, 50, confidence=confidence)


def paired_ratio(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], *, resamples: int = 1000, seed: int = 0
) -> Ratio:
    """Return the median of first / second over samples taken side by side, and its 95 % interval.

    The samples of a pair are of the same review, taken one right after the other, so lengths and slow minutes cancel
    in their ratio. The interval is that of :func:`clustered_percentile_interval`.

    Args:
        first: Times of the first, one list a cluster (a pair of processes).
        second: Times of the second, in the same order and number.
        resamples: Number of bootstrap samples.
        seed: Seed of the resampling.
    """
    ratios = [np.asarray(one) / np.asarray(other) for one, other in zip(first, second, strict=True)]
    value = float(np.exp(np.median(np.log(np.concatenate(ratios)))))
    columns = [np.log(ratio) for ratio in ratios]
    wide, narrow = _clustered_intervals(columns, lambda rows: _percentile(rows, 50), (0.95, 0.90), resamples, seed)
    return Ratio(value=value, ci95=_exp(wide), ci90=_exp(narrow))


def ratio_of_medians(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], *, resamples: int = 1000, seed: int = 0
) -> Ratio:
    """Return the median of the first over the median of the second, and its 95 % interval.

    Pairs are resampled together; otherwise as :func:`paired_ratio`, whose arguments these are.
    """
    pairs = [np.log(np.stack([one, other], axis=1)) for one, other in zip(first, second, strict=True)]

    def statistic(rows: np.ndarray) -> np.ndarray:
        medians = np.median(rows, axis=1)
        return medians[:, 0] - medians[:, 1]

    wide, narrow = _clustered_intervals(pairs, statistic, (0.95, 0.90), resamples, seed)
    return Ratio(value=float(np.exp(_of_one(statistic, np.concatenate(pairs)))), ci95=_exp(wide), ci90=_exp(narrow))


def _exp(interval: Interval | None) -> Interval | None:
    return None if interval is None else (float(np.exp(interval[0])), float(np.exp(interval[1])))


def _clustered_intervals(
    clusters: Sequence[np.ndarray],
    statistic: Statistic,
    confidences: Sequence[float],
    resamples: int,
    seed: int,
) -> list[Interval | None]:
    """Return the wider, at each end, of the clustered bootstrap and of Student's t over the clusters' statistics."""
    if why_no_interval(clusters):
        return [None] * len(confidences)
    found = _cluster_replays(clusters, statistic, resamples, np.random.default_rng(seed))
    intervals: list[Interval | None] = []
    own = [_of_one(statistic, rows) for rows in clusters]
    for confidence in confidences:
        tail = (1 - confidence) / 2 * 100
        low, high = np.percentile(found, [tail, 100 - tail])
        low_t, high_t = t_interval(own, confidence)
        intervals.append((float(min(low, low_t)), float(max(high, high_t))))
    return intervals


def _cluster_replays(
    clusters: Sequence[np.ndarray], statistic: Statistic, resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """Return a statistic on bootstrap samples of the clusters and of the samples in each, shape (resamples,)."""
    count, size = len(clusters), len(clusters[0])
    found = np.empty(resamples)
    if any(len(cluster) != size for cluster in clusters):
        for index in range(resamples):
            drawn = [clusters[cluster] for cluster in generator.integers(0, count, count)]
            rows = np.concatenate([rows[generator.integers(0, len(rows), len(rows))] for rows in drawn])
            found[index] = _of_one(statistic, rows)
        return found
    stacked = np.stack(clusters)
    step = max(1, _AT_ONCE // stacked.size)
    for begin in range(0, resamples, step):
        batch = min(step, resamples - begin)
        owners = generator.integers(0, count, (batch, count, 1))
        rows = stacked[owners, generator.integers(0, size, (batch, count, size))]
        found[begin : begin + batch] = statistic(rows.reshape(batch, count * size, *stacked.shape[2:]))
    return found


def _of_one(statistic: Statistic, rows: np.ndarray) -> float:
    return float(statistic(rows[None])[0])


def _percentile(values: np.ndarray, q: float) -> np.ndarray:
    """Return the percentile of each row; a median by the faster function, because a bootstrap needs a thousand."""
    return np.asarray(np.median(values, axis=1) if q == 50 else np.percentile(values, q, axis=1))
