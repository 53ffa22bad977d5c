"""Samples far above the others: counted, never removed, because users of the machine meet them too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

#: A sample is an outlier when it lies this many scaled median absolute deviations above the others.
DEVIATIONS = 5.0
#: Standard deviation of normal samples over their median absolute deviation (1 / Φ⁻¹(3/4)).
NORMAL = 1.4826
#: Smallest relative excess of an outlier; smaller ones come from the clock's resolution and the caches.
MIN_EXCESS = 0.1


class Outliers(BaseModel):
    """Samples that took far longer than other samples of the same review.

    Attributes:
        count: Their number.
        judged: Samples that have others of the same review to compare with.
        factor: A sample is counted when it took more than this many times the usual time of its review and process.
        largest: The largest such factor observed.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    judged: int
    factor: float
    largest: float


def count_outliers(clusters: Sequence[Sequence[float]], items: int) -> Outliers | None:
    """Count samples more than 5 MAD above the median of their item and cluster.

    Reviews differ in length and processes in speed, so neither a long review nor a slow process is an outlier: the
    logarithm of each sample, minus its cluster's median, is compared with the median of the other samples of the same
    item. The limit follows Iglewicz & Hoaglin, *How to Detect and Handle Outliers* (1993), § 3, but is wider: 5
    instead of 3.5 median absolute deviations, scaled to the standard deviation of a normal distribution.

    Args:
        clusters: Positive samples of each cluster; sample ``i`` is of item ``i % items``.
        items: How many different items there are.

    Returns:
        The count, or ``None`` when no item was sampled twice.
    """
    blocks: dict[int, list[float]] = {}
    for cluster in clusters:
        logs = np.log(np.asarray(cluster, dtype=float))
        for index, value in enumerate(logs - np.median(logs)):
            blocks.setdefault(index % items, []).append(float(value))
    excess = np.concatenate([_above_others(np.array(values)) for values in blocks.values()])
    if not len(excess):
        return None
    centre = float(np.median(excess))
    spread = NORMAL * float(np.median(np.abs(excess - centre)))
    limit = max(centre + DEVIATIONS * spread, float(np.log1p(MIN_EXCESS)))
    return Outliers(
        count=int((excess > limit).sum()),
        judged=len(excess),
        factor=float(np.exp(limit)),
        largest=float(np.exp(excess.max())),
    )


def _above_others(values: np.ndarray) -> np.ndarray:
    """Return each value minus the median of the others; nothing for a single value."""
    others = len(values) - 1
    if others < 1:
        return np.empty(0)
    ordered = np.sort(values)
    ranks = np.argsort(np.argsort(values))
    # Without one value, those at and after its rank move up by one.
    middle = [ordered[place + (place >= ranks)] for place in ((others - 1) // 2, others // 2)]
    return values - (middle[0] + middle[1]) / 2
