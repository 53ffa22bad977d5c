"""When there are enough samples: warm up until stable, then sample until the median's interval closes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.profiling.conditions import Watch
from slmbench.statistics import median_interval, percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.profiling.conditions import Seen
    from slmbench.profiling.process import MeasuredProcess

#: Sampling stops when the 95 % interval of the median reaches no further than this share of it to either side.
PRECISION = 0.03
#: Warm-up ends when two successive windows of the same reviews differ by less than this in their median.
STABLE = 0.05
WARM_UP_WINDOW = 10
WARM_UP_LIMIT_S = 5.0
#: Fewer samples could not support a p95 (130 in all) even over three processes.
LEAST_SAMPLES = 50
#: What has to be said when :func:`warm_up` gives up.
DRIFTING = "latency was still drifting when warm-up ended"


@dataclass(frozen=True)
class Sampled:
    """Samples of one process, whether warm-up became stable, and what else the machine did meanwhile.

    Attributes:
        ms: Samples in milliseconds, in the order taken.
        labels: The number of the label given, of each sample.
        stable: Whether warm-up became stable.
        seen: What the machine did while they were taken.
    """

    ms: list[float]
    labels: list[int]
    stable: bool
    seen: Seen


def warm_up(process: MeasuredProcess) -> bool:
    """Run the same few reviews until their median stops falling; returns whether it did within the limit."""
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
    process: MeasuredProcess, budget_s: float, count: int | None = None, *, reviews: int | None = None
) -> Sampled:
    """Time reviews one at a time in one process, from the first row on.

    The first process of a cell finds out how many samples it takes; the others take as many, of the same rows,
    so that every process weighs the same and a difference between them is theirs alone.

    Args:
        process: A warm process.
        budget_s: Longest time to spend.
        count: How many samples to take; ``None`` goes on until the interval of the median closes.
        reviews: How many different ones there are. Without a count sampling then ends with a whole pass over them,
            and the first is cut short by time alone: what is compared is of the same reviews, each as often.

    Returns:
        The samples of this process.
    """
    stable = warm_up(process)
    watch = Watch(process.pid)
    began, deadline = time.monotonic(), deadline_of(budget_s, count)
    taken: list[float] = []
    labels: list[int] = []
    while count is None or len(taken) < count:
        # Chunks of about a tenth of a second to a second: the parent wakes seldom and stops in time.
        chunk = int(np.clip(300 / max(np.median(taken), 0.01), 10, 200)) if taken else 10
        if count is not None:
            chunk = min(chunk, count - len(taken))
        elif reviews is not None:
            chunk = min(chunk, reviews - len(taken) % reviews)
        rows = list(range(len(taken), len(taken) + chunk))
        answer = process.ask({"do": "single", "rows": rows})
        taken += answer["ms"]
        labels += answer["labels"]
        watch.look()
        now = time.monotonic()
        if count is None and (reviews is None or len(taken) % reviews == 0):
            if len(taken) >= LEAST_SAMPLES and closed(taken):
                break
            a_pass_s = 0.0 if reviews is None else (now - began) * reviews / len(taken)
            if now + a_pass_s > deadline:
                break
        if now >= deadline and len(taken) >= 2:
            break
    return Sampled(taken, labels, stable, watch.end())


def deadline_of(budget_s: float, count: int | None) -> float:
    """Return when sampling has to end: a slower process may take twice the time of the first to get as far.

    Args:
        budget_s: Longest time for the first process to spend.
        count: How many samples the first process took; ``None`` of the first.
    """
    return time.monotonic() + (budget_s if count is None else 2 * budget_s)


def closed(samples: Sequence[float], precision: float = PRECISION) -> bool:
    """Whether the 95 % interval of the median lies within so much of it, 3 % by default, on both sides."""
    interval = median_interval(samples)
    if interval is None:
        return False
    median = percentile(samples, 50)
    return median - interval[0] <= precision * median and interval[1] - median <= precision * median
