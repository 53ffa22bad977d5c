"""When there are enough samples: warm up until stable, then sample until noise leaves the speed well known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slmbench.profiling.conditions import Seen, Watch
from slmbench.profiling.process import MeasuredProcess
from slmbench.statistics import median_interval, noise_interval, percentile
from slmbench.statistics.intervals import PERCENTILE_SAMPLES

#: Sampling stops when both ends of the 95 % interval that noise leaves are within this share.
PRECISION = 0.03
#: Warm-up ends when the medians of two successive windows of the same reviews differ by less than this share.
STABLE = 0.05
WARM_UP_WINDOW = 10
WARM_UP_LIMIT_S = 5.0
#: Passes over few reviews are repeated until there are so many samples.
MIN_SAMPLES = 50
_P95 = PERCENTILE_SAMPLES[95]
#: The first pass may take this many times its time limit, where a p95 would otherwise have too few reviews.
PATIENCE = 3
#: Largest share of its sampling time that a process spends on further reviews, for percentiles that need more.
FURTHER_SHARE = 0.5
#: Warning when :func:`warm_up` reaches its time limit.
DRIFTING = "latency was still drifting when warm-up ended"


@dataclass(frozen=True)
class Sampled:
    """Samples of one process.

    Attributes:
        ms: Samples in milliseconds, in the order taken.
        labels: The index of the label given, per sample.
        stable: Whether warm-up became stable.
        seen: What else the machine did while they were taken.
    """

    ms: list[float]
    labels: list[int]
    stable: bool
    seen: Seen


def warm_up(process: MeasuredProcess) -> bool:
    """Run the same few reviews until their median is stable; returns whether it became so within the time limit."""
    deadline = time.monotonic() + WARM_UP_LIMIT_S
    rows = list(range(WARM_UP_WINDOW))
    before = np.inf
    while time.monotonic() < deadline:
        now = float(np.median(process.ask({"do": "single", "rows": rows})["ms"]))
        if abs(now - before) <= STABLE * now:
            return True
        before = now
    return False


def sample(
    process: MeasuredProcess, budget_s: float, count: int | None = None, *, reviews: int, further: int = 0
) -> Sampled:
    """Time reviews one at a time in one process, from the first row on.

    The first process of a cell determines the number of samples; the others take as many of the same rows, so that
    every process has the same weight and differences between them are not differences between reviews.

    Args:
        process: A warm process.
        budget_s: Maximum sampling time (s).
        count: Number of samples; ``None`` samples until noise leaves the speed of the process well known
            (:func:`settled`).
        reviews: Number of different reviews. Without a count, sampling ends with a complete pass over them, unless
            time is over during the first: samples that are compared are of the same reviews, equally often. A first
            pass that has not come to as many reviews as a p95 takes goes on, up to :data:`PATIENCE` times the time.
        further: Number of further reviews. Without a count, time is left for them where :func:`further_s` finds some.

    Returns:
        The samples of this process.
    """
    stable = warm_up(process)
    watch = Watch(process.pid)
    began, deadline = time.monotonic(), deadline_of(budget_s, count)
    taken: list[float] = []
    labels: list[int] = []
    while count is None or len(taken) < count:
        # Chunks of about 0.1 s to 1 s: the parent wakes seldom and stops in time.
        chunk = int(np.clip(300 / max(np.median(taken), 0.01), 10, 200)) if taken else 10
        chunk = min(chunk, reviews - len(taken) % reviews if count is None else count - len(taken))
        rows = list(range(len(taken), len(taken) + chunk))
        answer = process.ask({"do": "single", "rows": rows})
        taken += answer["ms"]
        labels += answer["labels"]
        watch.look()
        now = time.monotonic()
        if count is None and len(taken) % reviews == 0:
            if len(taken) == reviews:
                deadline -= further_s(taken, reviews, further, budget_s) or 0.0
            if len(taken) >= MIN_SAMPLES and settled([taken], reviews):
                break
            if now + (now - began) * reviews / len(taken) > deadline:
                break
        enough = 2 if count is not None or now >= deadline + (PATIENCE - 1) * budget_s else min(reviews, _P95)
        if now >= deadline and len(taken) >= enough:
            break
    return Sampled(taken, labels, stable, watch.end())


def further_s(taken: Sequence[float], reviews: int, further: int, budget_s: float) -> float | None:
    """Return how long further reviews take in a process (s), by its first pass.

    Args:
        taken: Its samples (ms), in the order taken.
        reviews: Number of different reviews of a pass.
        further: Number of further reviews.
        budget_s: Its sampling time (s).

    Returns:
        The time; ``None`` where there are none, the first pass was not completed, or it is more than
        :data:`FURTHER_SHARE` of the sampling time: then they are not timed.
    """
    if not further or len(taken) < reviews:
        return None
    needed = float(np.mean(taken[:reviews])) * further / 1e3
    return needed if needed <= FURTHER_SHARE * budget_s else None


def deadline_of(budget_s: float, count: int | None) -> float:
    """Return when sampling has to end; later processes may take :data:`PATIENCE` times as long for as many samples.

    Args:
        budget_s: Maximum sampling time of the first process (s).
        count: Number of samples of the first process; ``None`` for the first process itself.
    """
    return time.monotonic() + (budget_s if count is None else PATIENCE * budget_s)


def settled(processes: Sequence[Sequence[float]], reviews: int) -> bool:
    """Return whether noise leaves the speed known to :data:`PRECISION`, whatever the lengths of the reviews.

    Args:
        processes: Samples of each process.
        reviews: Number of different reviews; where none was timed twice, nothing is known of the noise.
    """
    noise = noise_interval(processes, reviews)
    return noise is not None and max(1 - noise[0], noise[1] - 1) <= PRECISION


def closed(samples: Sequence[float], precision: float = PRECISION) -> bool:
    """Return whether both ends of the 95 % interval of the median are within a share of it, 3 % by default.

    For samples that are all of the same work, such as passes over the reviews.
    """
    interval = median_interval(samples)
    if interval is None:
        return False
    median = percentile(samples, 50)
    return median - interval[0] <= precision * median and interval[1] - median <= precision * median
