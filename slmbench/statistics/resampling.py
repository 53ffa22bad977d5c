"""Bootstrap samples that several columns share, and the interval of a mean over seeds and reviews."""

from __future__ import annotations

import numpy as np

from slmbench.statistics.intervals import Interval
from slmbench.statistics.verdicts import student_bounds


def resampled(n: int, replays: int, seed: int = 0) -> np.ndarray:
    """Return row indices of bootstrap samples, the same for the same arguments, shape (replays, n)."""
    return np.random.default_rng(seed).integers(0, n, (replays, n), dtype=np.int32)


def replay_interval(values: np.ndarray) -> Interval:
    """Return the 95 % percentile interval of a statistic's replays; those that are not defined are passed over."""
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def over_rows(values: np.ndarray) -> tuple[float, float]:
    """Return the variance of a mean over reviews and its degrees of freedom, a part of ``student_bounds``.

    Reviews that are all alike leave the variance of one in n that is not: no sample shows that there is none.

    Args:
        values: One a review, shape (n,).
    """
    n = len(values)
    spread = float(values.var(ddof=1)) if n > 1 else 1.0
    return max(spread, 1 / n) / n, max(1.0, n - 1.0)


def over_seeds(values: np.ndarray) -> tuple[float, float]:
    """Return the variance of a mean over at least two seeds and its degrees of freedom.

    Args:
        values: One a seed, each a mean over reviews, shape (seeds,).
    """
    return float(values.var(ddof=1)) / len(values), len(values) - 1.0


def crossed_interval(right: np.ndarray) -> Interval:
    """Return the 95 % interval of a mean accuracy, for other seeds and other reviews.

    The variance over seeds plus that over reviews, with Satterthwaite's degrees of freedom, as in studies of several
    readers of the same cases (Obuchowski & Rockette, *Communications in Statistics* 24, 1995). What seeds and reviews
    share is counted in both, so it is a little too wide.

    Args:
        right: Whether each seed is right on each review, as 0 or 1, shape (seeds, reviews), at least two seeds.
    """
    low, high = student_bounds(float(right.mean()), [over_rows(right.mean(0)), over_seeds(right.mean(1))]).ci95
    return max(0.0, low), min(1.0, high)
