"""How a row compares with its counterpart in a baseline, in words: most are predicates of a sentence about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.formatting import counted, limit, p_value, percent, points, times

if TYPE_CHECKING:
    from slmbench.compare.cells import Cell
    from slmbench.records import Row
    from slmbench.statistics import Interval, PairedDifference


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


def speed(cell: Cell, other: Cell, interval: Interval | None, *, undecided: bool) -> str:
    """Say how a cell's speed compares with the baseline's.

    Args:
        cell: The cell.
        other: The baseline, timed alike.
        interval: Of the ratio of the medians.
        undecided: Whether the ratio is over the limit and the interval still includes 1.
    """
    ratio = cell.pace_ms / other.pace_ms
    medians = f"{'p50 ' if cell.by_latency else ''}{cell.pace} against {other.pace} of {_baseline(cell, other)}"
    if interval is None:
        return f"has too few samples to be compared ({medians})"
    numbers = f"({medians}; ratio {ratio:.3f}, 95 % interval {interval[0]:.3f}–{interval[1]:.3f})"
    if interval[0] > 1:
        return f"is {times(ratio, 'slower')} {numbers}"
    if interval[1] < 1:
        return f"is {times(1 / ratio, 'faster')} {numbers}"
    if undecided:
        return f"is {times(ratio, 'slower')}, over the limit, but it may be chance: measure both longer {numbers}"
    return f"shows no clear difference in speed {numbers}"


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


def over_limit(cell: Cell, predicate: str, most: float, unit: str, *, failing: bool) -> str:
    """Say that a cell fails a limit of the baseline, or that the limit could not be checked.

    Args:
        cell: The cell.
        predicate: What was found.
        most: The limit, as a fraction.
        unit: Of the limit: "%" or "points".
        failing: Whether the limit is exceeded; otherwise it could not be checked.
    """
    ending = f"the limit is {limit(most * 100)} {unit}" if failing else "the limit cannot be checked"
    return f"{cell.label} {predicate}; {ending}"


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
