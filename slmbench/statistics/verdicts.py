"""Verdicts with stated error rates: better, equivalent within a margin, worse, or undecided; and gates over a limit.

Two things are called different when the 95 % interval of their difference excludes 0: where nothing differs, that
happens in at most 5 % of comparisons. They are called equivalent when the 90 % interval lies inside the margin, which
is the two one-sided tests of Schuirmann (*Journal of Pharmacokinetics and Biopharmaceutics* 15, 1987): a true
difference as large as the margin is accepted in at most 5 %. What neither shows is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from slmbench.statistics.intervals import Interval

Verdict = Literal["better", "equivalent", "worse", "undecided"]
GateResult = Literal["pass", "fail", "inconclusive"]

#: Level at which two things are called different, two-sided, and equivalent or within a limit, one-sided.
LEVEL = 0.05
#: Largest loss of accuracy, as a fraction, that counts as none: between models, and between forms of one model.
MODEL_MARGIN = 0.02
FORM_MARGIN = 0.01
#: Largest ratio of times that counts as equal.
TIME_MARGIN = 0.10
#: Share of comparisons that a planned size settles.
POWER = 0.8
#: By how much a count has to pass a bound: half of the steps of one in which counts move (Yates, *Supplement to the
#: Journal of the Royal Statistical Society* 1, 1934).
CONTINUITY = 0.5


class Bounds(NamedTuple):
    """A difference and its intervals; positive means that the second is better.

    Attributes:
        value: The estimate.
        ci95: What "different" is read from.
        ci90: What "equivalent" and gates are read from: each end is a one-sided 95 % bound.
    """

    value: float
    ci95: Interval
    ci90: Interval


def verdict(bounds: Bounds, margin: float) -> Verdict:
    """Return what a difference shows.

    Args:
        bounds: The difference in the unit of the margin; of times, the logarithm of their ratio.
        margin: Largest difference that counts as none; above 0.

    Returns:
        ``equivalent`` goes before ``better`` and ``worse``: a difference that is certain and inside the margin is one
        that nobody needs to act on.
    """
    if -margin < bounds.ci90[0] and bounds.ci90[1] < margin:
        return "equivalent"
    if bounds.ci95[0] > 0:
        return "better"
    return "worse" if bounds.ci95[1] < 0 else "undecided"


def gate(bounds: Bounds, limit: float) -> GateResult:
    """Return whether a loss stays below a limit.

    Args:
        bounds: The difference, negative where the second is worse.
        limit: Largest loss allowed, at least 0.

    Returns:
        ``pass`` when the loss is below the limit with 95 % confidence, ``fail`` when it is above it with that
        confidence, else ``inconclusive``: more measurements would settle it.
    """
    if bounds.ci90[0] > -limit:
        return "pass"
    return "fail" if bounds.ci90[1] < -limit else "inconclusive"


def family_gates(parts: Sequence[tuple[int, int, int]], limit: float) -> list[GateResult]:
    """Return for several paired proportions whether each loses less than a limit.

    That all pass is an intersection-union test and needs no correction (Berger, *Technometrics* 24, 1982). That some
    fail does: of parts that all lose no more than the limit, any fails in at most 5 % of cases (Holm, *Scandinavian
    Journal of Statistics* 6, 1979).

    Args:
        parts: Of each what :func:`paired_proportions_bounds` takes.
        limit: Largest loss allowed, the same for all.
    """
    results = [gate(paired_proportions_bounds(*part), limit) for part in parts]
    left = {index for index, result in enumerate(results) if result == "fail"}
    failed: set[int] = set()
    while True:
        tail = LEVEL / max(1, len(parts) - len(failed))
        found = {i for i in left - failed if _tango(parts[i][1], parts[i][0], parts[i][2], tail)[1] < -limit}
        if not found:
            break
        failed |= found
    return [result if result != "fail" or i in failed else "inconclusive" for i, result in enumerate(results)]


@lru_cache(maxsize=2**14)
def paired_proportions_bounds(only_first: int, only_second: int, n: int) -> Bounds:
    """Return the score intervals of the difference of two paired proportions, such as accuracies on the same reviews.

    Tango's intervals (*Statistics in Medicine* 17, 1998) with a continuity correction of half a review. Score
    intervals nearly hold their level for small samples and rare disagreement, where Wald's and the bootstrap's do
    not: with no disagreement at all they still have a width. Without the correction they exceed it by a little (up to
    6.8 % instead of 5 where no review disagrees); with it equals are called different, and a loss at the limit
    passes, in at most 5 % (computed exactly in tests, for 50 to 3,000 reviews of which 0.5 to 30 % disagree).

    Args:
        only_first: Reviews that only the first gets right.
        only_second: Reviews that only the second gets right.
        n: All reviews, at least 1.

    Returns:
        The second proportion minus the first.
    """
    return Bounds(
        (only_second - only_first) / n,
        _tango(only_second, only_first, n, LEVEL / 2),
        _tango(only_second, only_first, n, LEVEL),
    )


def paired_proportions_interval(only_first: int, only_second: int, n: int, tail: float) -> Interval:
    """Return the interval of :func:`paired_proportions_bounds` whose ends are each one-sided bounds of a level."""
    return _tango(only_second, only_first, n, tail)


def _tango(gained: int, lost: int, n: int, tail: float) -> Interval:
    """Return the differences at which Tango's score statistic is not yet beyond the quantile of a tail."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, estimate = float(norm.isf(tail)), (gained - lost) / n

    def score(delta: float, correction: float) -> float:
        # The probability of losing a review under the hypothesis, by maximum likelihood (Tango 1998, equation 6).
        half = (2 * n - gained + lost) * delta - gained - lost
        root = math.sqrt(max(half**2 + 8 * n * lost * delta * (1 - delta), 0.0))
        losing = (root - half) / (4 * n)
        variance = n * (2 * losing + delta * (1 - delta))
        if variance < 1e-12:
            return math.copysign(math.inf, estimate - delta)
        return (gained - lost + correction - n * delta) / math.sqrt(variance)

    def end(outer: float) -> float:
        if abs(estimate - outer) < 1e-12:
            return outer
        correction, beyond = (-CONTINUITY, z) if outer < 0 else (CONTINUITY, -z)
        inner = estimate + (outer - estimate) * 1e-9
        if (score(inner, correction) - beyond) * (score(outer * (1 - 1e-12), correction) - beyond) > 0:
            return outer
        return float(brentq(lambda delta: score(delta, correction) - beyond, inner, outer * (1 - 1e-12)))

    return end(-1.0), end(1.0)


def reviews_to_settle(disagreement: float, margin: float, difference: float = 0.0) -> int:
    """Return how many reviews settle a comparison in four of five cases: as equivalent, or as different.

    The normal approximation for paired proportions (Chow, Shao & Wang, *Sample Size Calculations in Clinical
    Research*, ch. 4) with the continuity correction of :func:`paired_proportions_bounds`: two one-sided tests against
    the margin, or one test of the difference against none; whichever takes fewer.

    Args:
        disagreement: Share of reviews on which exactly one of the two is right.
        margin: Largest difference that counts as none.
        difference: True difference assumed.
    """
    from scipy.stats import norm

    variance = max(disagreement - difference**2, 1e-4)
    room, distance = margin - abs(difference), abs(difference)
    sizes = []
    if room > 0:
        # At the middle of the margin both tests can miss, towards an end of it only one can.
        miss = (1 - POWER) / (2 if distance < margin / 10 else 1)
        sizes.append(_reviews(variance, norm.isf(LEVEL) + norm.isf(miss), room))
    if distance > 0:
        sizes.append(_reviews(variance, norm.isf(LEVEL / 2) + norm.isf(1 - POWER), distance))
    return math.ceil(min(sizes))


def reviews_to_gate(variance: float, limit: float, difference: float = 0.0) -> int | None:
    """Return how many reviews let :func:`gate` pass or fail in four of five cases.

    The normal approximation for one-sided non-inferiority (Chow, Shao & Wang, ch. 4), and at least as many as pass
    where no review disagrees.

    Args:
        variance: Of the difference, of one review; of paired proportions the share of reviews that disagree.
        limit: Largest loss allowed.
        difference: True difference assumed, negative where the second is worse. Nearer to the limit than a quarter of
            it, a quarter is assumed: at the limit itself no number of reviews decides.

    Returns:
        The number; ``None`` where the limit is 0, which no number of reviews shows to be kept.
    """
    from scipy.stats import norm

    if limit <= 0:
        return None
    z, room = norm.isf(LEVEL), max(abs(limit + difference), limit / 4)
    # Without disagreement Tango's variance at the limit is that of a binomial count of the reviews lost.
    none_disagrees = _reviews(limit * (1 - limit), z, limit)
    return math.ceil(max(_reviews(variance, z + norm.isf(1 - POWER), room), none_disagrees))


def _reviews(variance: float, deviations: float, distance: float) -> float:
    """Return n of which the mean, less the continuity correction, is so many standard deviations from a distance."""
    spread = deviations * math.sqrt(variance)
    return ((spread + math.sqrt(spread**2 + 4 * CONTINUITY * distance)) / (2 * distance)) ** 2


def processes_for_gate(deviation: float, limit: float, difference: float) -> int:
    """Return how many processes of each of two settle a gate on time in four of five cases.

    As :func:`reviews_to_gate`, for the mean over processes, whose log medians have a standard deviation.

    Args:
        deviation: Of the difference of two processes' log medians.
        limit: Largest excess allowed, as a logarithm of the ratio.
        difference: True difference assumed, as a logarithm of the ratio; negative where the second is slower.
    """
    distance = _distance(difference + limit, limit)
    return max(3, math.ceil((deviation * _one_sided_power() / distance) ** 2))


def _one_sided_power() -> float:
    from scipy.stats import norm

    return float(norm.isf(LEVEL) + norm.isf(1 - POWER))


def _distance(distance: float, limit: float) -> float:
    """Return the distance to plan for: what lies almost on its limit would take for ever."""
    return max(abs(distance), limit / 4, 1e-3)


def student_bounds(value: float, parts: Sequence[tuple[float, float]]) -> Bounds:
    """Return the bounds of an estimate whose variance is a sum of estimated parts.

    Student's t with the effective degrees of freedom of Satterthwaite (*Biometrics Bulletin* 2, 1946).

    Args:
        value: The estimate.
        parts: Variance and degrees of freedom of each part, such as that over seeds and that over reviews; at least
            one.
    """
    from scipy.stats import t

    error, freedom = _student(parts)
    wide, narrow = (error * float(t.isf(tail, freedom)) for tail in (LEVEL / 2, LEVEL))
    return Bounds(value, (value - wide, value + wide), (value - narrow, value + narrow))


def student_p_value(value: float, parts: Sequence[tuple[float, float]]) -> float:
    """Return the two-sided p-value of "no difference" for an estimate; arguments as :func:`student_bounds`."""
    from scipy.stats import t

    error, freedom = _student(parts)
    return 2 * float(t.sf(abs(value) / error, freedom)) if error > 0 else float(value == 0)


def _student(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    variance = sum(part for part, _ in parts)
    below = sum(part**2 / freedom for part, freedom in parts)
    return math.sqrt(variance), variance**2 / below if below > 0 else 1.0


def holm(p_values: Sequence[float], comparisons: int | None = None) -> list[float]:
    """Return p-values adjusted for their number (Holm, *Scandinavian Journal of Statistics* 6, 1979).

    Args:
        p_values: One for each comparison looked at.
        comparisons: How many there are in all, where what is looked at was chosen among more; at least as many.

    Returns:
        In the same order: below 0.05 each, and the chance that any true "no difference" is among them is at most 5 %.
    """
    total, adjusted, highest = comparisons or len(p_values), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, p_values[index] * (total - rank)))
        adjusted[index] = highest
    return adjusted
