"""Thresholds: what a cascade takes at each, and which one is chosen on rows that are not test rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slmbench.records.cascade import CascadeFacts, Routing, SweepRow


def cascade_time(small: float, large: float, routed: float) -> float:
    """Return the time a cascade takes: every review the small model's, the routed ones the large model's as well.

    Args:
        small: Time of the small model, per review or in all.
        large: Time of the large model over the same reviews, in the same unit.
        routed: Share of the reviews that goes on to the large model.
    """
    return small + routed * large


def break_even(small: float, large: float) -> float:
    """Return the share of routed reviews at which a cascade takes as long as the large model alone.

    Args:
        small: Time of the small model over some reviews.
        large: Time of the large model over the same reviews.

    Returns:
        At most 1; below 0 where the small model alone is slower than the large one.
    """
    return 1 - small / large


def sweep_thresholds(labels: int) -> list[float]:
    """Return the thresholds that are tried, in steps of 0.01 up to 0.99.

    The first is at or below the probability of guessing (0.50 for two labels) and routes nothing.

    Args:
        labels: Number of labels.
    """
    return [step / 100 for step in range(100 // labels, 100)]


def choose_threshold(routing: Routing, thresholds: Sequence[float], max_routed: float | None) -> float:
    """Choose a threshold by the one-standard-error rule.

    Of the thresholds that route no more than allowed, it is the one that routes least among those whose accuracy is
    at most one standard error of the paired difference below the best (Breiman et al. 1984, *Classification and
    Regression Trees*, § 3.4.3).

    Args:
        routing: Reviews that neither member was trained on.
        thresholds: In ascending order; the first routes nothing.
        max_routed: Maximum share of routed reviews; ``None`` is no limit.

    Returns:
        The threshold.
    """
    allowed = [value for value in thresholds if max_routed is None or routing.routed(value).mean() <= max_routed]
    right = {value: routing.right(value) for value in allowed}
    best = max(allowed, key=lambda value: (right[value].mean(), -value))
    return next(value for value in allowed if _as_good(right[value], right[best]))


def _as_good(right: np.ndarray, best: np.ndarray) -> bool:
    loss = best.astype(float) - right.astype(float)
    return bool(loss.mean() <= loss.std() / np.sqrt(len(loss)))


def sweep(
    thresholds: Sequence[float], validation: Routing | None, test: Routing, small_ms: float, large_ms: float
) -> list[SweepRow]:
    """Return accuracy, routed share and time at each threshold.

    Args:
        thresholds: Thresholds.
        validation: Rows that choose the threshold, where there are any.
        test: The test rows.
        small_ms: Mean time of the small member, milliseconds per review.
        large_ms: The same of the large one.
    """
    rows = []
    for threshold in thresholds:
        routed = float(test.routed(threshold).mean())
        rows.append(
            SweepRow(
                threshold=threshold,
                validation_accuracy=float(validation.right(threshold).mean()) if validation else None,
                validation_routed=float(validation.routed(threshold).mean()) if validation else None,
                accuracy=float(test.right(threshold).mean()),
                routed=routed,
                ms=cascade_time(small_ms, large_ms, routed),
            )
        )
    return rows


def notable_rows(facts: CascadeFacts) -> list[SweepRow]:
    """Return the rows of the sweep that tables show: its ends, steps of 0.1, and the chosen threshold."""
    ends = (facts.sweep[0], facts.sweep[-1])
    return [
        row
        for row in facts.sweep
        if row in ends or row.threshold == facts.threshold or round(row.threshold * 100, 6) % 10 == 0
    ]
