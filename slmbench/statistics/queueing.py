"""A server that takes reviews as they arrive: arrivals, waits, when a rate holds, and the interval of the highest."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from slmbench.statistics.clusters import t_interval, why_no_interval
from slmbench.statistics.intervals import Interval

#: Share of requests that may be late when the p95 stays within its limit.
LATE_SHARE = 0.05
#: Confidence of MLPerf LoadGen that a run which passes keeps its limit (``early_stopping.cc``).
PASSING_CONFIDENCE = 0.99
#: Bootstrap samples of a rate, halvings of the search for each, and the most requests of a process that are replayed.
RESAMPLES, HALVINGS, REPLAYED = 200, 12, 1000
#: Seed of the arrivals that every process's queue is replayed with, and the rate that stands for none at all.
ARRIVALS, NONE = 1, 1e-9


def late_allowed(requests: int, late_share: float = LATE_SHARE, confidence: float = PASSING_CONFIDENCE) -> int:
    """Return how many of a run's requests may be late so that it shows that no larger share of all is.

    The early-stopping rule of MLPerf Inference for its server scenario (``loadgen/early_stopping.cc``): the largest t
    with P(Binomial(requests, late share) <= t) <= 1 - confidence. It takes requests as independent.

    Args:
        requests: Requests of the run.
        late_share: Largest share of all requests that may be late.
        confidence: That the share is smaller, when the run passes.

    Returns:
        The number; -1 where even none late shows too little (fewer than 90 requests at 5 %).
    """
    from scipy.stats import binom

    found = int(binom.ppf(1 - confidence, requests, late_share))
    while found >= 0 and binom.cdf(found, requests, late_share) > 1 - confidence:
        found -= 1
    return found


def arrivals(requests: int, qps: float, seed: int) -> list[float]:
    """Return arrival times (s) of a Poisson process: gaps are exponential and independent."""
    gaps = np.random.default_rng(seed).exponential(1 / qps, requests)
    return np.cumsum(gaps).tolist()


def waits(service: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return how long each request waits for those before it, one server, first come, first served.

    Lindley's recursion (*Mathematical Proceedings of the Cambridge Philosophical Society* 48, 1952).

    Args:
        service: Time that each request takes, shape (..., n).
        gaps: Time from the arrival before to its own, shape (..., n).

    Returns:
        Waiting times in the same unit, shape (..., n).
    """
    steps = np.concatenate([np.zeros_like(service[..., :1]), service[..., :-1] - gaps[..., 1:]], axis=-1)
    walk = np.cumsum(steps, axis=-1)
    return walk - np.minimum.accumulate(np.minimum(walk, 0.0), axis=-1)


def highest_rates(service_ms: np.ndarray, gaps: np.ndarray, limit_ms: float) -> np.ndarray:
    """Return the highest rate at which at most 5 % of requests are late, by replaying the queue.

    Args:
        service_ms: Service times of requests, shape (queues, n).
        gaps: Gaps between arrivals at one request a second, shape (queues, n).
        limit_ms: When a request is late, from arrival to answer (ms).

    Returns:
        Requests a second, shape (queues,); 0 where requests that do not wait are late.
    """
    low, high = np.zeros(len(service_ms)), 1e3 / service_ms.mean(1)
    for _ in range(HALVINGS):
        rate = (low + high) / 2
        taken = service_ms + waits(service_ms, 1e3 * gaps / rate[:, None])
        holds = (taken > limit_ms).mean(1) <= LATE_SHARE
        low, high = np.where(holds, rate, low), np.where(holds, high, rate)
    return low


def process_rates(service_ms: Sequence[Sequence[float]], limit_ms: float, factor: float = 1.0) -> list[float]:
    """Return the highest rate of each process, with the same arrivals for all.

    Args:
        service_ms: Service times of the requests of each process.
        limit_ms: When a request is late (ms).
        factor: What service times are multiplied by, such as by a slower session.

    Returns:
        Requests a second; :data:`NONE` where requests that do not wait are late.
    """
    kept = min(REPLAYED, *map(len, service_ms))
    times = factor * np.array([process[:kept] for process in service_ms])
    gaps = np.tile(np.random.default_rng(ARRIVALS).exponential(size=kept), (len(times), 1))
    return np.maximum(highest_rates(times, gaps, limit_ms), NONE).tolist()


def geometric_mean(rates: Sequence[float]) -> float:
    """Return the mean of rates that differ by factors."""
    return math.exp(math.fsum(map(math.log, rates)) / len(rates))


def highest_rate_interval(
    service_ms: Sequence[Sequence[float]], reviews: int, limit_ms: float, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Return the 95 % interval of the highest rate that keeps the p95 within a limit.

    The queue is replayed with service times that were measured: as they are in each process, for Student's t over the
    logarithms of the processes' rates; and of processes, reviews and arrivals drawn again, 200 times. Each end is the
    wider of the two, as for other times (:mod:`slmbench.statistics.review_times`).

    Args:
        service_ms: Service times of the requests of each process; request ``i`` is of review ``i % reviews``.
        reviews: Number of different reviews.
        limit_ms: The limit (ms).
        resamples: Number of bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        Lower and upper end; ``None`` with too few processes, or where requests that do not wait are late.
    """
    if why_no_interval(service_ms):
        return None
    rates = process_rates(service_ms, limit_ms)
    if min(rates) <= NONE:
        return None
    low, high = t_interval(np.log(rates).tolist())
    fewest = min(map(len, service_ms))
    generator, kept = np.random.default_rng(seed), min(fewest, REPLAYED)
    times = np.array([process[:fewest] for process in service_ms])
    size = len(times), kept
    different = min(reviews, fewest)
    drawn = np.empty(resamples)
    for number in range(resamples):
        pool = generator.integers(0, different, different)
        rows = pool[generator.integers(0, different, kept)]
        owners = generator.integers(0, len(times), len(times))
        # A queue for each drawn process, of the same reviews in the same order.
        replayed = highest_rates(times[owners][:, rows], generator.exponential(size=size), limit_ms)
        drawn[number] = np.log(np.maximum(replayed, NONE)).mean()
    drawn_low, drawn_high = np.percentile(drawn, [2.5, 97.5])
    return math.exp(min(low, drawn_low)), math.exp(max(high, drawn_high))
