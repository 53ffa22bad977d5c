"""Nine models: what the accuracy of the chosen one is worth, and whether equal ones are called worse."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from error_rates.rates import Rate, Share, at_least, at_most
from error_rates.rows import accuracy_interval, rows_of, steady_latency
from slmbench.compare.confirmation import confirm
from slmbench.compare.constraints import Constraints
from slmbench.compare.decision import decide
from slmbench.statistics import paired_difference

MODELS = 9
#: One standard deviation of how easy reviews are; only one of two such models is right on 23 % of them.
SPREAD = 0.25
#: Confirmation reviews of the recommended row.
CONFIRMATION = 1000


class Replay(NamedTuple):
    """One decision among nine models.

    Attributes:
        corrected: Whether the interval corrected for the choice covers, which is reported without confirmation rows.
        confirmed: Whether the one on confirmation rows does.
        worse: Whether any row is called worse.
        old_covered: Whether the interval of the most accurate row covers, which was reported before.
        old_worse: Whether any row was significantly less accurate than that.
    """

    corrected: bool
    confirmed: bool
    worse: bool
    old_covered: bool
    old_worse: bool


def replay(n: int, apart: float, generator: np.random.Generator) -> Replay:
    """Simulate models that find the same reviews hard, and decide.

    Args:
        n: Test reviews.
        apart: By how much each is less likely to be right than the one before; 0 makes them equal.
        generator: Of everything.
    """
    ease = 0.86 - apart * np.arange(MODELS)
    difficulty = generator.normal(0, SPREAD, n + CONFIRMATION)
    chance = _chance(ease[:, None] + difficulty)
    right = generator.random((MODELS, n)) < chance[:, :n]
    rows = rows_of(right, [steady_latency(number) for number in range(MODELS)], range(1, MODELS + 1))
    decision = decide(rows, Constraints())
    choice = decision.choice
    assert choice is not None and decision.winner is not None
    found = confirm(decision, {})
    assert found is not None
    winner, best = rows.index(choice.winner), int(right.sum(1).argmax())
    confirmed = int((generator.random(CONFIRMATION) < chance[winner, n:]).sum())
    truth = true_accuracy(float(ease[winner]))
    return Replay(
        _covers(found.ci95, truth),
        _covers(accuracy_interval(confirmed, CONFIRMATION), truth),
        "worse" in choice.verdicts.values(),
        _covers(accuracy_interval(int(right[best].sum()), n), true_accuracy(float(ease[best]))),
        any(paired_difference(right[best], other).p_value < 0.05 for other in right),
    )


def _chance(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0.02, 1)


@lru_cache(None)
def true_accuracy(ease: float) -> float:
    """Return the accuracy on all such reviews: the mean of the chances of being right."""
    values = np.linspace(-6, 6, 200_001)
    weights = np.exp(-(values**2) / 2)
    return float((_chance(ease + SPREAD * values) * weights).sum() / weights.sum())


def _covers(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def selection_rates(replays: int, seed: int) -> list[Rate]:
    """Return coverage of the winner's interval, and how often equals are called worse."""
    rates = []
    for n, apart in ((200, 0.0), (1000, 0.0), (1000, 0.01)):
        generator = np.random.default_rng(seed)
        found = [replay(n, apart, generator) for _ in range(replays)]
        setting = f"nine {f'models {100 * apart:g} point apart' if apart else 'equal models'}, {n:,} reviews"
        old = Share.of(one.old_covered for one in found)
        corrected = Share.of(one.corrected for one in found)
        rates.append(Rate(f"{setting}: the winner's interval covers, corrected", corrected, old, at_least(0.94)))
        if apart:
            continue
        confirmed = Share.of(one.confirmed for one in found)
        rates += [
            Rate(f"{setting}: it covers, on {CONFIRMATION:,} confirmation rows", confirmed, old, at_least(0.94)),
            Rate(
                f"{setting}: any row called worse",
                Share.of(one.worse for one in found),
                Share.of(one.old_worse for one in found),
                at_most(0.05),
            ),
        ]
    return rates
