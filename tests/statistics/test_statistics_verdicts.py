"""Verdicts and gates: their rules, the intervals they are read from, and the error rates that they promise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, norm

from slmbench.statistics.verdicts import (
    MODEL_MARGIN,
    Bounds,
    family_gates,
    gate,
    paired_proportions_bounds,
    reviews_to_gate,
    reviews_to_settle,
    verdict,
)

bounds_of = lru_cache(None)(paired_proportions_bounds)


@pytest.mark.parametrize(
    ("ci95", "ci90", "expected"),
    [
        ((-0.005, 0.015), (-0.003, 0.013), "equivalent"),
        ((0.001, 0.015), (0.003, 0.013), "equivalent"),  # certain, and too small to act on
        ((0.001, 0.040), (0.004, 0.037), "better"),
        ((-0.040, -0.001), (-0.037, -0.004), "worse"),
        ((-0.010, 0.040), (-0.006, 0.036), "undecided"),
        ((-0.001, 0.040), (0.001, 0.038), "undecided"),
    ],
)
def test_what_a_difference_shows(ci95, ci90, expected):
    assert verdict(Bounds(sum(ci95) / 2, ci95, ci90), MODEL_MARGIN) == expected


@pytest.mark.parametrize(
    ("ci90", "expected"),
    [((-0.004, 0.010), "pass"), ((-0.010, 0.010), "inconclusive"), ((-0.030, -0.006), "fail")],
)
def test_a_gate_passes_only_what_is_shown_to_keep_the_limit(ci90, expected):
    assert gate(Bounds(sum(ci90) / 2, ci90, ci90), 0.005) == expected


def test_rows_that_never_disagree_still_leave_doubt():
    bounds = paired_proportions_bounds(0, 0, 100)
    # Closed form of b = c = 0: n d - 1/2 is z standard deviations of a binomial count with probability d.
    n, z2 = 100, norm.isf(0.025) ** 2
    end = (n * (1 + z2) + np.sqrt((n * (1 + z2)) ** 2 - n**2 - n * z2)) / (2 * (n**2 + n * z2))
    assert bounds.ci95 == pytest.approx((-end, end))
    assert verdict(bounds, MODEL_MARGIN) == "undecided"
    assert verdict(paired_proportions_bounds(0, 0, 1000), MODEL_MARGIN) == "equivalent"


@pytest.mark.parametrize(("lost", "gained", "n"), [(5, 0, 60), (12, 30, 400), (3, 2, 20), (1, 0, 8)])
def test_the_interval_ends_where_the_score_statistic_reaches_its_quantile(lost, gained, n):
    """Tango (1998) less half a review, with the nuisance parameter found by maximising the likelihood numerically."""

    def score(delta, correction):
        def loss(losing):
            gaining, same = losing + delta, 1 - 2 * losing - delta
            return -(gained * np.log(gaining) + lost * np.log(losing) + (n - gained - lost) * np.log(same))

        low, high = max(0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12
        losing = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
        return (gained - lost + correction - n * delta) / np.sqrt(n * (2 * losing + delta * (1 - delta)))

    low, high = paired_proportions_bounds(lost, gained, n).ci95
    assert score(low, -0.5) == pytest.approx(norm.isf(0.025), abs=2e-3)
    assert score(high, 0.5) == pytest.approx(-norm.isf(0.025), abs=2e-3)


def level(n, disagreement, difference, tail):
    """Return the exact probability that the lower bound lies above a true difference, from all pairs of counts."""
    lost_share, gained_share = (disagreement - difference) / 2, (disagreement + difference) / 2
    lost, gained = np.meshgrid(
        *(np.arange(binom.ppf(1e-9, n, p), binom.isf(1e-9, n, p) + 1) for p in (lost_share, gained_share)),
        indexing="ij",
    )
    chance = binom.pmf(lost, n, lost_share) * binom.pmf(gained, n - lost, gained_share / (1 - lost_share))
    half = (2 * n - gained + lost) * difference - gained - lost
    losing = (np.sqrt(np.maximum(half**2 + 8 * n * lost * difference * (1 - difference), 0)) - half) / (4 * n)
    deviation = np.sqrt(np.maximum(n * (2 * losing + difference * (1 - difference)), 1e-12))
    beyond = gained - lost - 0.5 - n * difference > norm.isf(tail) * deviation
    return float(np.nansum(chance * beyond))


@pytest.mark.parametrize("n", [50, 100, 200, 500, 1000, 1800, 3000])
@pytest.mark.parametrize("disagreement", [0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3])
def test_levels_hold_exactly(n, disagreement):
    """What the bounds promise, for every pair of counts: no simulation."""
    assert level(n, disagreement, 0.0, 0.025) <= 0.025  # called better although equal; called worse likewise
    for margin in (0.01, 0.02):
        if margin <= disagreement:
            assert level(n, disagreement, -margin, 0.05) <= 0.05  # passed, or accepted, at the limit


def rates(disagreement, difference, n, replays=2000):
    """Return the count of each verdict and of 95 % intervals that cover, over simulated pairs of classifiers."""
    shares = [(disagreement + difference) / 2, (disagreement - difference) / 2, 1 - disagreement]
    drawn = np.random.default_rng(0).multinomial(n, shares, size=replays)
    found = [bounds_of(int(lost), int(gained), n) for gained, lost, _ in drawn]
    verdicts = [verdict(bounds, MODEL_MARGIN) for bounds in found]
    covered = sum(bounds.ci95[0] <= difference <= bounds.ci95[1] for bounds in found)
    return {name: verdicts.count(name) for name in ("better", "equivalent", "worse", "undecided")}, covered, replays


def at_most(count, replays, rate):
    """Whether a count is compatible with a rate of at most so much (one-sided exact test at 0.1 %)."""
    return binomtest(count, replays, rate, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("disagreement", [0.04, 0.08])
def test_error_rates(n, disagreement):
    same, covered, replays = rates(disagreement, 0.0, n)
    assert at_most(same["better"] + same["worse"], replays, 0.05)
    assert at_most(replays - covered, replays, 0.05)
    lossy, covered, replays = rates(disagreement, -MODEL_MARGIN, n)
    assert at_most(lossy["equivalent"], replays, 0.05)
    assert at_most(replays - covered, replays, 0.05)


@pytest.mark.parametrize(("disagreement", "difference"), [(0.08, 0.0), (0.04, 0.0), (0.08, 0.04)])
def test_the_planned_size_settles_four_of_five(disagreement, difference):
    found, _, replays = rates(disagreement, difference, reviews_to_settle(disagreement, MODEL_MARGIN, difference))
    assert 0.7 * replays <= replays - found["undecided"] <= 0.95 * replays


def test_of_many_parts_that_all_keep_the_limit_hardly_any_fails():
    """Twenty labels that each lose as much as is allowed: one by one, some would fail in 64 % of replays."""
    rng = np.random.default_rng(0)
    once = lru_cache(None)(lambda lost: gate(paired_proportions_bounds(lost, 0, 100), 0.2))
    replays = [sorted(rng.binomial(100, 0.2, size=20).tolist()) for _ in range(150)]
    one_by_one = np.mean([any(once(lost) == "fail" for lost in lost_of) for lost_of in replays])
    together = np.mean(["fail" in family_gates([(lost, 0, 100) for lost in lost_of], 0.2) for lost_of in replays])
    assert one_by_one > 0.4
    assert together <= 0.05 + 2 * 0.018
    assert family_gates([(0, 0, 100), (50, 0, 100), (20, 0, 100)], 0.2) == ["pass", "fail", "inconclusive"]


@pytest.mark.parametrize(("disagreement", "loss"), [(0.03, 0.0), (0.05, 0.005), (0.06, 0.04)])
def test_a_planned_gate_decides_in_four_of_five_cases(disagreement, loss):
    n = reviews_to_gate(disagreement, 0.02, -loss)
    lost, gained = (disagreement + loss) / 2, (disagreement - loss) / 2
    counts = np.random.default_rng(1).multinomial(n, (lost, gained, 1 - disagreement), size=1000)
    results = [gate(bounds_of(*pair, n), 0.02) for pair in counts[:, :2].tolist()]
    wanted = "pass" if loss < 0.02 else "fail"
    assert 0.73 <= results.count(wanted) / 1000 <= 0.9
    assert not results.count("fail" if loss < 0.02 else "pass")


def test_a_gate_of_reviews_that_never_disagree_takes_as_many_as_show_it():
    n = reviews_to_gate(0.0, 0.01)
    assert (gate(paired_proportions_bounds(0, 0, n - 1), 0.01), gate(paired_proportions_bounds(0, 0, n), 0.01)) == (
        "inconclusive",
        "pass",
    )
    assert reviews_to_gate(0.01, 0.0) is None
