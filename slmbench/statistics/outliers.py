"""Samples far above what is usual: counted, never removed, as a user of the machine meets them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A sample is an outlier when it lies further above its fellows than so many median absolute deviations.
DEVIATIONS = 5.0
#: What turns a median absolute deviation of normal samples into their standard deviation (1 / Φ⁻¹(3/4)).
NORMAL = 1.4826
#: The least excess that is called an outlier: below it, the clock's own steps and the cache's moods are seen.
LEAST_EXCESS = 0.1


class Outliers(BaseModel):
    """How many samples took far longer than the other samples of the same review.

    Attributes:
        count: Samples that did.
        judged: Samples that have others of the same review to be held against.
        factor: A sample is counted when it took so many times as long as is usual for its review and process.
        largest: The largest such factor met.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    judged: int
    factor: float
    largest: float


def count_outliers(clusters: Sequence[Sequence[float]], items: int) -> Outliers | None:
    """Count samples above the median + 5 MAD of what is usual for their item and cluster.

    Reviews differ in length and processes in speed, so neither a long review nor a slow process is an outlier: the
    logarithm of each sample, less its cluster's median, is held against the median of the other samples of the same
    item. The limit is that of Iglewicz & Hoaglin, *How to Detect and Handle Outliers* (1993), § 3, wider: the median
    absolute deviation, scaled to the normal's standard deviation, times 5 instead of 3.5.

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
    limit = max(centre + DEVIATIONS * spread, float(np.log1p(LEAST_EXCESS)))
    return Outliers(
        count=int((excess > limit).sum()),
        judged=len(excess),
        factor=float(np.exp(limit)),
        largest=float(np.exp(excess.max())),
    )


def _above_others(values: np.ndarray) -> np.ndarray:
    """Return each value less the median of the others; nothing of a value that is alone."""
    others = len(values) - 1
    if others < 1:
        return np.empty(0)
    ordered = np.sort(values)
    ranks = np.argsort(np.argsort(values))
    # With one value left out, what stands at a place or behind it moves up by one.
    middle = [ordered[place + (place >= ranks)] for place in ((others - 1) // 2, others // 2)]
    return values - (middle[0] + middle[1]) / 2
