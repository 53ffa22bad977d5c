"""Times that are simulated: two forms alternately, and percentiles of reviews of all lengths."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from error_rates import before
from error_rates.rates import Rate, Share, at_least, at_most
from slmbench.records import Latency
from slmbench.statistics import Interval, crossed_percentile_interval, paired_ratio
from slmbench.statistics.sessions import ratio_over_sessions, session_spread
from slmbench.statistics.verdicts import TIME_MARGIN, Bounds, gate, verdict

#: One standard deviation of the log medians of processes: a machine with neighbours.
SPREAD = 0.05
#: The same of noise in single samples, and of the lengths of reviews (IMDb's token counts: 0.6).
NOISE, LENGTHS = 0.05, 0.6
PAIRS, PROCESSES, REVIEWS = 6, 5, 20
PERCENTILE_SPREAD = 0.03
PLANTED = 1.1
LIMIT = 0.05
#: What a session does to one kind of work alone, and how many sentinels of earlier sessions are stored.
APART = ((0.10, 0), (0.03, 3), (0.03, 12))
#: Bootstrap samples of an interval; versus uses 1,000, which makes its ends a little more exact, not wider.
RESAMPLES = 200


def process_times(
    spread: float, processes: int, lengths: np.ndarray, passes: int, generator: np.random.Generator
) -> np.ndarray:
    """Simulate times in ms, shape (processes, passes x reviews); sample i is of review i % reviews."""
    own = generator.normal(0, spread, (processes, 1))
    noise = generator.normal(0, NOISE, (processes, passes * len(lengths)))
    return np.exp(np.tile(np.log(lengths), passes) + own + noise)


def alternately(
    spread: float, ratio: float, replays: int, seed: int, *, apart: float = 0.0, stored: int = 0
) -> tuple[list[Bounds], list[Interval]]:
    """Simulate ``versus``: both slowed alike by what slows a process, and each by a quarter as much of its own.

    Args:
        spread: One standard deviation of what slows a process, of logarithms.
        ratio: Time of the first over that of the second.
        replays: Number of measurements.
        seed: Of everything.
        apart: One standard deviation of what a session does to one kind of work alone; 0 where both do the same work.
        stored: Number of earlier sessions whose sentinel is known.

    Returns:
        Of each replay the bounds (positive where the second, which takes ``ratio`` as long, is faster), and the
        95 % interval of the ratio in these minutes, which alone decided before.
    """
    generator, found, old = np.random.default_rng(seed), [], []
    for _ in range(replays):
        moved = generator.normal(0, apart, (stored + 1, 5)) if apart else np.zeros((1, 5))
        shared = generator.normal(0, spread, (PAIRS, 1))
        first, second = (
            np.exp(
                shared + generator.normal(0, spread / 4, (PAIRS, 1)) + generator.normal(0, NOISE, (PAIRS, REVIEWS))
            )
            for _ in range(2)
        )
        here = ratio * math.exp(moved[-1, 3] - moved[-1, 4])
        measured = paired_ratio((here * second).tolist(), first.tolist(), resamples=RESAMPLES, seed=seed)
        assert measured.ci95 is not None
        old.append(measured.ci95)
        if apart:
            known = session_spread(hourly(stored), np.exp(moved[:-1, :3]).tolist())
            measured = ratio_over_sessions(measured, known)
        bounds = measured.bounds()
        assert bounds is not None
        found.append(bounds)
    return found, old


def versus_rates(replays: int, seed: int) -> list[Rate]:
    """Return the rates of ``slmbench versus`` and its gate."""
    alike = f"versus, {PAIRS} pairs, processes differ by {SPREAD:.0%}"
    rates = _versus_rates(alike, replays, seed)
    for apart, stored in APART:
        others = f"versus, other work, sessions move each by {apart:.0%}, {stored or 'none'} stored"
        rates += _versus_rates(others, replays, seed, apart=apart, stored=stored)
    return rates


def _versus_rates(setting: str, replays: int, seed: int, *, apart: float = 0.0, stored: int = 0) -> list[Rate]:
    margin, limit = math.log1p(TIME_MARGIN), math.log1p(LIMIT)
    equal, old = alternately(SPREAD, 1.0, replays, seed, apart=apart, stored=stored)
    slowed, old_slowed = alternately(SPREAD, PLANTED, replays, seed + 1, apart=apart, stored=stored)
    old_passes = [low <= 1 or -bounds.value <= limit for bounds, (low, _) in zip(slowed, old_slowed, strict=True)]
    return [
        Rate(
            f"{setting}, equal: called different",
            Share.of(verdict(bounds, margin) in ("better", "worse") for bounds in equal),
            Share.of(low > 1 or high < 1 for low, high in old),
            at_most(0.05),
        ),
        Rate(
            f"{setting}, equal: `--fail-if-slower 5%` fails",
            Share.of(gate(bounds, limit) == "fail" for bounds in equal),
            Share.of(low > 1 and -bounds.value > limit for bounds, (low, _) in zip(equal, old, strict=True)),
            at_most(0.05),
        ),
        *planted_rates(setting, [gate(bounds, limit) for bounds in slowed], old_passes),
    ]


def hourly(sessions: int) -> list[float]:
    """Return when so many sessions began, an hour apart (s)."""
    return [3600.0 * number for number in range(sessions)]


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
