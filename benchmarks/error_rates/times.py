"""Times that are simulated: two forms alternately, and percentiles of reviews of all lengths."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from error_rates import before
from error_rates.rates import Rate, Share, at_least, at_most
from slmbench.records import Latency
from slmbench.statistics import Interval, crossed_percentile_interval, paired_ratio
from slmbench.statistics.verdicts import TIME_MARGIN, Bounds, gate, verdict

#: One standard deviation of the log medians of processes: a machine with neighbours.
SPREAD = 0.05
#: The same of noise in single samples, and of the lengths of reviews (IMDb's token counts: 0.6).
NOISE, LENGTHS = 0.05, 0.6
PAIRS, PROCESSES, REVIEWS = 6, 5, 20
PERCENTILE_SPREAD = 0.03
PLANTED = 1.1
LIMIT = 0.05
#: Bootstrap samples of an interval; versus uses 1,000, which makes its ends a little more exact, not wider.
RESAMPLES = 200


def process_times(
    spread: float, processes: int, lengths: np.ndarray, passes: int, generator: np.random.Generator
) -> np.ndarray:
    """Simulate times in ms, shape (processes, passes x reviews); sample i is of review i % reviews."""
    own = generator.normal(0, spread, (processes, 1))
    noise = generator.normal(0, NOISE, (processes, passes * len(lengths)))
    return np.exp(np.tile(np.log(lengths), passes) + own + noise)


def alternately(spread: float, ratio: float, replays: int, seed: int) -> tuple[list[Bounds], list[float]]:
    """Simulate ``versus``: both slowed alike by what slows a process, and each by a quarter as much of its own.

    Returns:
        Of each replay the bounds (positive where the second, which takes ``ratio`` as long, is faster), and the lower
        end of the ratio's 95 % interval, which alone decided before.
    """
    generator, found, old = np.random.default_rng(seed), [], []
    for _ in range(replays):
        shared = generator.normal(0, spread, (PAIRS, 1))
        first, second = (
            np.exp(
                shared + generator.normal(0, spread / 4, (PAIRS, 1)) + generator.normal(0, NOISE, (PAIRS, REVIEWS))
            )
            for _ in range(2)
        )
        measured = paired_ratio((ratio * second).tolist(), first.tolist(), resamples=RESAMPLES, seed=seed)
        bounds = measured.bounds()
        assert bounds is not None and measured.ci95 is not None
        found.append(bounds)
        old.append(measured.ci95[0])
    return found, old


def versus_rates(replays: int, seed: int) -> list[Rate]:
    """Return the rates of ``slmbench versus`` and its gate."""
    margin, limit, spread = math.log1p(TIME_MARGIN), math.log1p(LIMIT), SPREAD
    setting = f"versus, {PAIRS} pairs, processes differ by {spread:.0%}"
    equal, low = alternately(spread, 1.0, replays, seed)
    slowed, low_slowed = alternately(spread, PLANTED, replays, seed + 1)
    old_passes = [end <= 1 or -bounds.value <= limit for bounds, end in zip(slowed, low_slowed, strict=True)]
    return [
        Rate(
            f"{setting}, equal: called different",
            Share.of(verdict(bounds, margin) in ("better", "worse") for bounds in equal),
            Share.of(bounds.ci95[0] > 0 or bounds.ci95[1] < 0 for bounds in equal),
            at_most(0.05),
        ),
        Rate(
            f"{setting}, equal: `--fail-if-slower 5%` fails",
            Share.of(gate(bounds, limit) == "fail" for bounds in equal),
            Share.of(end > 1 and -bounds.value > limit for bounds, end in zip(equal, low, strict=True)),
            at_most(0.05),
        ),
        *planted_rates(setting, [gate(bounds, limit) for bounds in slowed], old_passes),
    ]


def planted_rates(setting: str, results: list[str], old_passes: list[bool]) -> list[Rate]:
    """Return how often a planted tenth passes a gate of 5 %, fails it, and is found or reported inconclusive."""
    return [
        Rate(
            f"{setting}, 10 % slower: `--fail-if-slower 5%` passes",
            Share.of(result == "pass" for result in results),
            Share.of(old_passes),
            at_most(0.05),
        ),
        Rate(
            f"{setting}, 10 % slower: fails or is inconclusive",
            Share.of(result != "pass" for result in results),
            Share.of(not passes for passes in old_passes),
            at_least(0.9),
        ),
        Rate(
            f"{setting}, 10 % slower: inconclusive",
            Share.of(result == "inconclusive" for result in results),
        ),
    ]


def percentile_rates(replays: int, seed: int) -> list[Rate]:
    """Return how often the interval of a percentile covers that of all such reviews, whose lengths are lognormal."""
    rates = []
    for q, reviews in ((50, 50), (95, 50), (95, 130), (95, 200)):
        truth = math.exp(NormalDist().inv_cdf(q / 100) * math.hypot(LENGTHS, NOISE, PERCENTILE_SPREAD))
        generator = np.random.default_rng(seed)
        found, covered = [], []
        for _ in range(replays):
            lengths = np.exp(generator.normal(0, LENGTHS, reviews))
            times = process_times(PERCENTILE_SPREAD, PROCESSES, lengths, 1, generator)
            found.append(_percentile_interval(times.tolist(), q, reviews))
            low, high = before.percentile_interval(times, q, generator)
            covered.append(low <= truth <= high)
        title = f"p{q} of {reviews} reviews × {PROCESSES} processes, lognormal lengths: its interval"
        given = [one for one in found if one is not None]
        if len(given) < replays:
            rates.append(
                Rate(f"{title} is given", Share.of(one is not None for one in found), Share.of([True] * replays))
            )
        now = Share.of(low <= truth <= high for low, high in given) if given else None
        rates.append(Rate(f"{title} covers", now, Share.of(covered), at_least(0.93) if now else None))
    return rates


def _percentile_interval(times: list[list[float]], q: int, reviews: int) -> Interval | None:
    """Return the interval of a percentile as a profile has it, with fewer bootstrap samples."""
    if q == 95 and Latency(processes_ms=times, reviews=reviews).p95_ms is None:
        return None
    return crossed_percentile_interval(times, reviews, q, resamples=RESAMPLES)
