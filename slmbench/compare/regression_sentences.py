"""How a row compares with its counterpart in a baseline, in words: most are predicates of a sentence about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slmbench.common.formatting import counted, limit, p_value, percent, points, times

if TYPE_CHECKING:
    from slmbench.compare.cells import Cell
    from slmbench.records import Row
    from slmbench.statistics import PairedDifference
    from slmbench.statistics.verdicts import Bounds


def timed_differently(cell: Cell, other: Cell) -> str:
    """Say why the latency of a cell cannot be compared with that of the baseline."""
    if _way(cell) != _way(other):
        ways = f"was timed on {_way(cell)}, the baseline on {_way(other)}"
    elif cell.highest_rate is not None:
        ways = f"was timed at the highest rate found ({cell.pace}), the baseline at another ({other.pace})"
    else:
        ways = f"was timed on {_fed(cell)}, the baseline on {_fed(other)}"
    return f"{ways}, so their latencies are not compared: measure the baseline here in the same way"


def tested_on_others(cell: Cell, other: Cell) -> str:
    """Say why the accuracy of a cell cannot be compared with that of the baseline."""
    return (
        f"was tested on other reviews ({cell.test_hash[:8]}) than the baseline ({other.test_hash[:8]}), so their"
        " accuracies are not compared: export or profile both with the same test rows"
    )


def speed(cell: Cell, other: Cell, bounds: Bounds | None) -> str:
    """Say how a cell's speed compares with the baseline's.

    Args:
        cell: The cell.
        other: The baseline, timed alike.
        bounds: Of the logarithm of the baseline's time over the cell's; ``None`` where it is not known.
    """
    ratio = cell.pace_ms / other.pace_ms
    medians = f"{'p50 ' if cell.by_latency else ''}{cell.pace} against {other.pace} of {_baseline(cell, other)}"
    if bounds is None:
        return f"has no interval of its speed to be compared by ({medians})"
    low, high = math.exp(-bounds.ci95[1]), math.exp(-bounds.ci95[0])
    numbers = f"({medians}; ratio {ratio:.3f}, 95 % interval {low:.3f}–{high:.3f})"
    if low > 1:
        return f"is {times(ratio, 'slower')} {numbers}"
    if high < 1:
        return f"is {times(1 / ratio, 'faster')} {numbers}"
    return f"is not shown to be slower or faster {numbers}"


def accuracy(cell: Cell, other: Cell, difference: PairedDifference) -> str:
    """Say how a cell's accuracy compares with the baseline's on the same reviews."""
    if not difference.only_first_right + difference.only_second_right:
        return f"is right on the same reviews ({percent(cell.accuracy)})"
    low, high = (f"{end * 100:+.1f}" for end in difference.ci95)
    numbers = (
        f"({percent(cell.accuracy)} against {percent(other.accuracy)} of {_baseline(cell, other)}, 95 % interval of"
        f" the difference {low} to {high} points, {p_value(difference.p_value)})"
    )
    if difference.difference == 0:
        return f"is as accurate {numbers}"
    return f"is {points(difference.difference)} {'more' if difference.difference > 0 else 'less'} accurate {numbers}"


def over_limit(cell: Cell, predicate: str, most: float, unit: str) -> str:
    """Say that a cell fails a limit of the baseline.

    Args:
        cell: The cell.
        predicate: What was found.
        most: The limit, as a fraction.
        unit: Of the limit: "%" or "points".
    """
    return f"{cell.label} {predicate}; the limit is {limit(most * 100)} {unit}"


def unchecked(cell: Cell, predicate: str) -> str:
    """Say that a limit of the baseline could not be checked; arguments as :func:`over_limit`."""
    return f"{cell.label} {predicate}; the limit cannot be checked"


def unsettled(cell: Cell, predicate: str, most: float, unit: str, more: str | None) -> str:
    """Say that the measurements do not settle a limit, and what would; otherwise as :func:`over_limit`.

    Args:
        cell: The cell.
        predicate: What was found.
        most: The limit, as a fraction.
        unit: Of the limit: "%" or "points".
        more: How much more would settle it; ``None`` where nothing would, because the limit is 0.
    """
    what = f"about {more} more would settle it" if more else "no number of reviews shows a loss of nothing"
    return (
        f"{cell.label} {predicate}; whether it keeps the limit of {limit(most * 100)} {unit} is inconclusive: {what}"
    )


def not_measured(row: Row) -> str:
    """Say that a row cannot be compared with the baseline because it failed."""
    return f"{row.label} could not be measured ({row.failure}), so no limit of the baseline can be checked"


def _way(cell: Cell) -> str:
    profile = cell.profile
    return f"{cell.machine_name} ({profile.backend}, {counted(profile.threads, 'thread')}, {cell.timed_as})"


def _fed(cell: Cell) -> str:
    fed = cell.profile.corpus
    return f"{fed.inputs} of {fed.name} ({fed.test_hash[:8]})"


def _baseline(cell: Cell, other: Cell) -> str:
    return "the baseline" if other.label == cell.label else other.label
