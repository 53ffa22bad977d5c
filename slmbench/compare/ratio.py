"""The interval of a ratio of two medians that were measured at different times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slmbench.records import Latency
    from slmbench.statistics import Interval


def median_ratio_interval(first: Latency, second: Latency) -> Interval | None:
    """Return the 95 % interval of the median of the second over that of the first.

    It is put together from the intervals of the two medians (which are as wide as processes differ) by the method of
    variance estimates recovery on logarithms: the distances of each end from its median add up as squares (Zou &
    Donner, "Construction of confidence limits about effect measures", *Statistics in Medicine* 27, 2008).

    Args:
        first: Latency of the baseline.
        second: Latency of what is held against it.

    Returns:
        Lower and upper end, or ``None`` when either side has too few samples for an interval.
    """
    if first.ci95_ms is None or second.ci95_ms is None:
        return None
    (below_first, above_first), (below_second, above_second) = _reach(first), _reach(second)
    ratio = math.log(second.p50_ms / first.p50_ms)
    low, high = math.hypot(below_second, above_first), math.hypot(above_second, below_first)
    return math.exp(ratio - low), math.exp(ratio + high)


def _reach(latency: Latency) -> tuple[float, float]:
    """Return how far the interval reaches below and above the median, on logarithms."""
    low, high = latency.ci95_ms or (latency.p50_ms, latency.p50_ms)
    return math.log(latency.p50_ms / low), math.log(high / latency.p50_ms)
