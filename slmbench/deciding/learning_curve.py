"""What more labels would bring: a power law through the errors of one rung, trained on ever more reviews."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slmbench.common.formatting import percent, percent_interval
from slmbench.records.decision import LearningCurve, PredictedAccuracy
from slmbench.statistics import Interval

#: With fewer points two parameters leave nothing that could contradict the law.
MIN_POINTS = 3
#: The curve is read at these multiples of the last point: beyond, the assumption would carry the number.
AHEAD = (2, 4)
_REPLAYS = 2000


def learning_curve(rung: str, trained: Sequence[tuple[int, np.ndarray]], seed: int = 0) -> LearningCurve | None:
    """Fit error = scale · reviews^(−exponent) by least squares of the logarithms.

    Args:
        rung: Name of the rung.
        trained: For each training the number of training reviews, and whether each test review is classified right,
            shape (n,), the same reviews in the same order for all.
        seed: Seed of the replays.

    Returns:
        The curve, its intervals those of the test reviews drawn again (percentiles of the replays); ``None`` with
        fewer than three numbers of training reviews.
    """
    trained = sorted(trained, key=lambda one: one[0])
    sizes = np.array([size for size, _ in trained], float)
    if len(set(sizes)) < MIN_POINTS:
        return None
    right = np.array([one for _, one in trained])
    reviews = right.shape[1]
    # Reviews that the trainings answer alike are drawn together, which is the same and takes no time.
    alike, counts = np.unique(right, axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(reviews, counts / reviews, _REPLAYS) @ alike.T
    last = int(sizes[-1])
    ahead = np.array([times * last for times in AHEAD], float)
    exponents, errors = _fit(sizes, np.vstack([right.sum(1), drawn]), reviews, ahead)
    predicted = [
        PredictedAccuracy(train_reviews=int(size), accuracy=1 - float(here[0]), ci95=_interval(1 - here[1:]))
        for size, here in zip(ahead, errors.T, strict=True)
    ]
    first = predicted[0]
    return LearningCurve(
        rung=rung,
        points=[(size, float(one.mean())) for size, one in trained],
        exponent=float(exponents[0]),
        exponent_ci95=_interval(exponents[1:]),
        predicted=predicted,
        sentence=(
            f"{first.train_reviews:,} training reviews instead of {last:,} would bring {rung} to about"
            f" {percent(first.accuracy)} [{percent_interval(first.ci95)}], from {percent(float(right[-1].mean()))},"
            " if its error goes on falling as it did"
        ),
    )


def _fit(sizes: np.ndarray, right: np.ndarray, reviews: int, ahead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the exponent of each row of right answers, and the errors at ``ahead``, shape (rows, len(ahead)).

    A training without an error counts as one with half an error, which has a logarithm.
    """
    errors = np.log(np.clip(reviews - right, 0.5, None) / reviews)
    x = np.log(sizes) - np.log(sizes).mean()
    slope = errors @ x / (x @ x)
    beyond = np.log(ahead) - np.log(sizes).mean()
    return -slope, np.minimum(1, np.exp(errors.mean(1, keepdims=True) + np.outer(slope, beyond)))


def _interval(values: np.ndarray) -> Interval:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
