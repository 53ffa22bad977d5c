"""Uninterrupted work for minutes: does the machine get slower as it gets hot?"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from slmbench.profiling.conditions import fastest_clock_mhz, hottest_celsius
from slmbench.profiling.process import MeasuredProcess
from slmbench.records.sustained import Sustained, TracePoint

#: Approximate duration of a point of the trace.
POINT_MS = 1000.0
#: A slowdown that is larger for certain is a warning.
NOTABLE_SLOWDOWN = 1.05


def measure_sustained(
    process: MeasuredProcess, seconds: float, known_ms: Sequence[Sequence[float]], reviews: int
) -> Sustained:
    """Let a process answer reviews without a pause, and trace time, clock and temperature.

    Args:
        process: A warm process.
        seconds: How long.
        known_ms: Times that processes took before for the reviews, what they are compared with; sample ``i`` of each
            is of review ``i % reviews``.
        reviews: Number of different reviews.
    """
    usual = _usual_ms(known_ms, reviews)
    trace: list[TracePoint] = []
    row, size = 0, max(1, round(POINT_MS / float(usual.mean())))
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        rows = [(row + number) % len(usual) for number in range(size)]
        taken = np.array(process.ask({"do": "single", "rows": rows})["ms"])
        relative = float(np.exp(np.median(np.log(taken / usual[rows]))))
        trace.append(
            TracePoint(
                at_s=at,
                reviews=size,
                relative=relative,
                clock_mhz=fastest_clock_mhz(),
                temperature_c=hottest_celsius(),
            )
        )
        row = (row + size) % len(usual)
        size = max(1, round(POINT_MS / float(usual.mean() * relative)))
    return Sustained(
        seconds=time.monotonic() - began,
        trace=trace,
        no_clock=None if trace[0].clock_mhz is not None else "this system does not show the clock",
        no_temperature=None if trace[0].temperature_c is not None else "this system shows no temperature sensor",
    )


def sustained_warning(sustained: Sustained | None) -> list[str]:
    """Warn when the machine gets notably slower under uninterrupted work."""
    found = sustained.slowdown if sustained is not None else None
    if sustained is None or found is None or found.ci95 is None or found.ci95[0] <= NOTABLE_SLOWDOWN:
        return []
    return [f"it gets slower under uninterrupted work: {sustained.sentence}"]


def _usual_ms(known_ms: Sequence[Sequence[float]], reviews: int) -> np.ndarray:
    """Return the usual time of each review that was timed, shape (reviews timed,): the mean over logarithms."""
    logs = np.concatenate([np.log(process) for process in known_ms])
    rows = np.concatenate([np.arange(len(process)) % reviews for process in known_ms])
    counts = np.bincount(rows)
    return np.asarray(np.exp(np.bincount(rows, logs) / counts))
