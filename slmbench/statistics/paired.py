"""Two classifiers on the same reviews: exact McNemar test and the score interval of the accuracy difference."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from slmbench.statistics.intervals import Interval
from slmbench.statistics.verdicts import paired_proportions_bounds

#: Level of every test on accuracies: a p-value below it is a significant difference.
SIGNIFICANCE = 0.05


class PairedDifference(BaseModel):
    """Accuracy of the second classifier minus that of the first, on the same reviews."""

    model_config = ConfigDict(frozen=True)

    difference: float
    ci95: Interval
    p_value: float
    only_first_right: int
    only_second_right: int


def paired_difference(first_right: ArrayLike, second_right: ArrayLike) -> PairedDifference:
    """Compare two classifiers review by review.

    The p-value is that of the exact McNemar test: a two-sided binomial test on the reviews that only one of
    the two gets right (McNemar 1947; Dietterich 1998, "Approximate Statistical Tests", §3.1).

    Args:
        first_right: Whether the first is right on each review, shape (n,).
        second_right: The same for the second, in the same order.

    Returns:
        The difference with Tango's score interval, which has a width also where the two never differ (see
        :func:`~slmbench.statistics.verdicts.paired_proportions_bounds`), and the p-value (1.0 there).
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    bounds = paired_proportions_bounds(only_first, only_second, len(first))
    return PairedDifference(
        difference=bounds.value,
        ci95=bounds.ci95,
        p_value=_exact_mcnemar(only_first, only_second),
        only_first_right=only_first,
        only_second_right=only_second,
    )


@lru_cache(maxsize=2**14)
def _exact_mcnemar(only_first: int, only_second: int) -> float:
    from scipy.special import bdtr

    # Twice the smaller tail: with a probability of a half both tails are alike.
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))
