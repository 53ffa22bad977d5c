"""The threshold: the least routing whose accuracy cannot be told from the best, on rows that are no test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slmbench.cascade.arithmetic import cascade_time
from slmbench.records.cascade import SweepRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.records.cascade import CascadeFacts, Routing


def sweep_thresholds(labels: int) -> list[float]:
    """Return the thresholds looked at, in steps of .01 up to .99.

    The first is at or below the chance of one label in so many (.50 for two), which routes nothing.

    Args:
        labels: Number of labels.
    """
    return [step / 100 for step in range(100 // labels, 100)]


def choose_threshold(routing: Routing, thresholds: Sequence[float], max_routed: float | None) -> float:
    """Choose a threshold by the rule of one standard error.

    Of the thresholds that route no more than allowed, the one that routes least is taken whose accuracy is below
    the best by at most one standard error of the difference, the two being compared review by review (the rule is
    that of Breiman et al. 1984, *Classification and Regression Trees*, § 3.4.3).

    Args:
        routing: Reviews that neither member learned from.
        thresholds: In ascending order; the first routes nothing.
        max_routed: Largest share of routed reviews; ``None`` is no limit.

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
    """Return what each threshold gives.

    Args:
        thresholds: Thresholds.
        validation: Rows that choose, where there are any.
        test: The test rows.
        small_ms: Mean time of the small member, milliseconds a review.
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
    """Return the rows of the sweep that tables show: its ends, steps of .1, and the threshold in force."""
    ends = (facts.sweep[0], facts.sweep[-1])
    return [
        row
        for row in facts.sweep
        if row in ends or row.threshold == facts.threshold or round(row.threshold * 100, 6) % 10 == 0
    ]
