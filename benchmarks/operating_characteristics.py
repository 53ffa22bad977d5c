"""How often verdicts and gates are wrong: simulations of the functions that decide.

    python benchmarks/operating_characteristics.py --replays 2000

Accuracies are pairs of classifiers with a given share of reviews on which they disagree; times are processes whose
medians differ by a given factor (one standard deviation) and samples in them. Sessions of measurement, hours apart,
are not replayed: what a rate of times says holds within a session.
"""

from __future__ import annotations

import argparse
import math
from functools import lru_cache

import numpy as np

from slmbench.compare.pairs import bounds_of_times
from slmbench.statistics import clustered_percentile_interval, paired_ratio
from slmbench.statistics.verdicts import (
    FORM_MARGIN,
    MODEL_MARGIN,
    TIME_MARGIN,
    gate,
    paired_proportions_bounds,
    verdict,
)

#: Bootstrap samples of an interval: fewer than in use, which makes its ends a little less exact, not narrower.
RESAMPLES = 200
bounds_of_pair = lru_cache(None)(paired_proportions_bounds)


def accuracy_rates(n: int, disagreement: float, difference: float, margin: float, replays: int) -> dict[str, float]:
    """Return the share of each verdict within a margin, and of each result of a gate with that limit.

    Args:
        n: Test reviews.
        disagreement: Share of them on which exactly one of the two is right.
        difference: True difference in accuracy.
        margin: Of the verdict, and limit of the gate.
        replays: Number of simulated pairs.
    """
    shares = [(disagreement - difference) / 2, (disagreement + difference) / 2, 1 - disagreement]
    drawn = np.random.default_rng(0).multinomial(n, shares, size=replays)
    found = [bounds_of_pair(int(lost), int(gained), n) for lost, gained, _ in drawn]
    return _shares(
        [verdict(bounds, margin) for bounds in found] + [gate(bounds, margin) for bounds in found], replays
    )


def time_rates(ratio: float, spread: float, processes: int, replays: int, *, paired: bool) -> dict[str, float]:
    """Return the share of each verdict on times, and of each result of a gate at 5 %.

    Args:
        ratio: True ratio of the second's time over the first's.
        spread: One standard deviation of the log medians of processes.
        processes: Of each of the two.
        replays: Number of simulated comparisons.
        paired: Whether both are measured in turns (``versus``), where what a process is slowed by is mostly shared.
    """
    generator, results = np.random.default_rng(1), []
    for _ in range(replays):
        shared = generator.normal(0, spread, (processes, 1)) if paired else 0.0
        own = spread / 4 if paired else spread
        first, second = (
            np.exp(shared + generator.normal(0, own, (processes, 1)) + generator.normal(0, 0.1, (processes, 20)))
            for _ in range(2)
        )
        second *= ratio
        if paired:
            bounds = paired_ratio(second.tolist(), first.tolist(), resamples=RESAMPLES).bounds()
        else:
            bounds = bounds_of_times(*((float(np.median(one)), _interval(one)) for one in (first, second)))
        results += [verdict(bounds, math.log1p(TIME_MARGIN)), gate(bounds, math.log1p(0.05))]
    return _shares(results, replays)


def winner_coverage(models: int, n: int, replays: int) -> tuple[float, float]:
    """Return how often the winner's own 95 % interval covers its accuracy among equal models, and its optimism."""
    generator, covered, optimism = np.random.default_rng(2), 0, 0.0
    for _ in range(replays):
        difficulty = generator.normal(0, 0.25, n)
        chance = np.clip(0.86 + difficulty, 0.02, 1)
        accuracy = (generator.random((models, n)) < chance).mean(1).max()
        half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / n)
        covered += abs(accuracy - chance.mean()) <= half
        optimism += accuracy - chance.mean()
    return covered / replays, optimism / replays


def _interval(times: np.ndarray) -> tuple[float, float] | None:
    return clustered_percentile_interval(times.tolist(), resamples=RESAMPLES)


def _shares(results: list[str], replays: int) -> dict[str, float]:
    return {name: results.count(name) / replays for name in dict.fromkeys([*_NAMES, *results])}


_NAMES = ("better", "equivalent", "worse", "undecided", "pass", "fail", "inconclusive")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=2000, help="simulated comparisons a rate")
    replays = parser.parse_args().replays
    print(f"{replays:,} replays a row; shares in %\n")
    print("| what is true | " + " | ".join(_NAMES) + " |")
    print("|---|" + "---:|" * len(_NAMES))

    def row(title: str, rates: dict[str, float]) -> None:
        print(f"| {title} | " + " | ".join(f"{rates[name] * 100:.1f}" for name in _NAMES) + " |", flush=True)

    for n, disagreement in ((200, 0.08), (1000, 0.08), (1000, 0.04), (3000, 0.08)):
        for difference in (0.0, -MODEL_MARGIN):
            title = f"accuracy, models: {difference * 100:+.0f} points, {n:,} reviews, {disagreement:.0%} disagree"
            row(title, accuracy_rates(n, disagreement, difference, MODEL_MARGIN, replays))
    for difference in (0.0, -FORM_MARGIN):
        title = f"accuracy, forms: {difference * 100:+.0f} points, 1,000 reviews, 1.5% disagree"
        row(title, accuracy_rates(1000, 0.015, difference, FORM_MARGIN, replays))
    for ratio in (1.0, 1.1):
        row(f"time, versus, 6 pairs, 5% spread: ×{ratio}", time_rates(ratio, 0.05, 6, replays, paired=True))
        row(f"time, profiles, 5 processes, 5% spread: ×{ratio}", time_rates(ratio, 0.05, 5, replays, paired=False))
    covered, optimism = winner_coverage(9, 1000, replays)
    print(
        f"\nnine equal models, 1,000 reviews: the winner's own interval covers its accuracy in {covered:.1%},"
        f" {optimism * 100:+.1f} points too high"
    )


if __name__ == "__main__":
    main()
