"""Is a form faster than fp32 on this CPU? A short test at export; ``slmbench profile`` measures properly."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from slmbench.edge.runtime import Backend
from slmbench.records.bundle import Gain, GainVerdict
from slmbench.statistics import bootstrap_interval

#: Seconds after which no further review is timed.
TIME_LIMIT_S = 6.0
#: How many reviews are timed.
MIN_REVIEWS, MAX_REVIEWS = 12, 60
#: A median ratio nearer to 1 than this is within what two runs of the same file differ by.
SAME_SPEED = 0.03


def measure_gain(fp32: Backend, form: Backend, items: Sequence[object], *, fp32_bytes: int, form_bytes: int) -> Gain:
    """Time two forms on the same reviews, one review at a time, in turns.

    Args:
        fp32: The reference, loaded.
        form: The form, loaded; both with the same threads.
        items: Encoded reviews.
        fp32_bytes: Size of the reference's file.
        form_bytes: Size of the form's file.
    """
    # Evenly over the lengths, so that a few reviews represent all.
    by_length = sorted(range(len(items)), key=fp32.lengths(items).__getitem__)
    chosen = [by_length[i] for i in np.linspace(0, len(items) - 1, min(MAX_REVIEWS, len(items))).round().astype(int)]
    # Shuffled, because time may run out after the first few, which must not all be short.
    chosen = list(np.random.default_rng(0).permutation(chosen))
    for backend in (fp32, form):
        backend.logits([items[chosen[-1]]])
    times: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    for turn, index in enumerate(chosen):
        if turn >= MIN_REVIEWS and time.perf_counter() - began > TIME_LIMIT_S:
            break
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        for which in order:
            start = time.perf_counter()
            (fp32, form)[which].logits([items[index]])
            times[which].append(1000 * (time.perf_counter() - start))
    ratios = np.array(times[0]) / np.array(times[1])
    interval = bootstrap_interval(lambda rows: np.median(ratios[rows], axis=1), len(ratios))
    return describe_gain(times[0], times[1], float(np.median(ratios)), interval, form_bytes / fp32_bytes)


def describe_gain(
    fp32_ms: list[float], form_ms: list[float], speedup: float, interval: tuple[float, float], size_ratio: float
) -> Gain:
    """Describe what a form gains over fp32.

    Args:
        fp32_ms: Times of the reference, one a review.
        form_ms: Times of the form on the same reviews.
        speedup: Median of their ratios.
        interval: Its 95 % interval.
        size_ratio: Bytes of the form's file over those of the reference.
    """
    faster = interval[0] > 1 + SAME_SPEED
    slower = interval[1] < 1 - SAME_SPEED
    smaller = size_ratio < 1 - SAME_SPEED
    speed = f"{speedup:.2f}× the speed of fp32 on this CPU [{interval[0]:.2f}–{interval[1]:.2f}]"
    size = f"{size_ratio:.2f}× its size"
    if faster or smaller:
        verdict: GainVerdict = "faster_and_smaller" if faster and smaller else "faster" if faster else "smaller"
        but = ", but slower" if slower else ", not measurably faster" if not faster else ""
        sentence = f"{verdict.replace('_', ' ')}{but}: {speed}, {size}"
    else:
        verdict = "none"
        sentence = f"no gain on this CPU: {'slower' if slower else 'not measurably faster'} and not smaller, {speed}"
    return Gain(
        reviews=len(fp32_ms),
        fp32_ms=[round(value, 4) for value in fp32_ms],
        form_ms=[round(value, 4) for value in form_ms],
        speedup=speedup,
        speedup_ci95=interval,
        size_ratio=size_ratio,
        verdict=verdict,
        sentence=sentence,
    )
