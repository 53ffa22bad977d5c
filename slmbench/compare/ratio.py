"""The interval of a ratio of two quantities that were measured at different times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slmbench.statistics import Interval

    #: A quantity and its interval, where one is known.
    Estimate = tuple[float, Interval | None]


def ratio_interval(first: Estimate, second: Estimate) -> Interval | None:
    """Return the 95 % interval of the second quantity over the first.

    It is put together from the intervals of the two by the method of variance estimates recovery on logarithms: the
    distances of each end from its estimate add up as squares (Zou & Donner, "Construction of confidence limits about
    effect measures", *Statistics in Medicine* 27, 2008).

    Args:
        first: The baseline.
        second: What is held against it.

    Returns:
        Lower and upper end, or ``None`` when either has no interval.
    """
    (one, around_one), (other, around_other) = first, second
    if around_one is None or around_other is None:
        return None
    below_one, above_one = math.log(one / around_one[0]), math.log(around_one[1] / one)
    below_other, above_other = math.log(other / around_other[0]), math.log(around_other[1] / other)
    ratio = math.log(other / one)
    low, high = math.hypot(below_other, above_one), math.hypot(above_other, below_one)
    return math.exp(ratio - low), math.exp(ratio + high)
