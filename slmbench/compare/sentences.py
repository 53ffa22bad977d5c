"""Why a cell won or lost, as sentences with the numbers that decided it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.formatting import (
    counted,
    limit,
    listing,
    megabytes,
    p_value,
    percent,
    percent_interval,
    points,
    times,
)
from slmbench.compare.cells import highest_rate, machine_name, timed_as
from slmbench.compare.constraints import best_within_reach, limits_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slmbench.compare.cells import Cell
    from slmbench.records import Row
    from slmbench.statistics import Interval, PairedDifference

#: How many cells that could have been chosen as well a reason names.
_NAMED = 2


def refused(reason: str) -> str:
    """Say that the export refused the form."""
    return f"refused at export: {reason}"


def incomparable(cell: Cell, standard: Cell) -> str:
    """Say why a cell cannot be compared with those that were decided between."""
    if cell.test_hash != standard.test_hash:
        return (
            f"its accuracy was measured on other test reviews ({cell.test_hash[:8]}) than the decision"
            f" rests on ({standard.test_hash[:8]}), so the two cannot be compared"
        )
    ways = timed_as(cell.profile), timed_as(standard.profile)
    return f"timed otherwise ({ways[0]}) than what the decision rests on ({ways[1]})"


def unkept(cell: Cell) -> list[str]:
    """Say that the highest rate found did not keep its bound when it was verified; nothing where it did."""
    if cell.profile.keeps_its_bound:
        return []
    return [f"its rate of {cell.pace} did not hold when it was verified ({timed_as(cell.profile)})"]


def left_out(apart: Sequence[Cell], compared: Sequence[Cell]) -> str:
    """Say how many cells take no part in a decision, as the end of its reason; nothing when all do.

    Args:
        apart: The cells that cannot be compared.
        compared: Those that were decided between.
    """
    reviews = sum(cell.test_hash != compared[0].test_hash for cell in apart)
    parts = []
    if reviews:
        parts.append(f"{counted(reviews, 'row')} tested on other reviews")
    if len(apart) > reviews:
        parts.append(f"{counted(len(apart) - reviews, 'row')} timed otherwise than {timed_as(compared[0].profile)}")
    return f"; left out: {listing(parts)}" if parts else ""


def no_gain(cell: Cell, reference: Cell) -> str:
    """Say that a form is neither faster nor smaller than fp32."""
    return (
        f"no gain on this machine: neither faster ({cell.pace} against"
        f" {reference.pace}) nor smaller ({megabytes(cell.size_bytes)} against"
        f" {megabytes(reference.size_bytes)}) than {reference.label}"
    )


def nothing_left(limits: dict[str, float], rows: Sequence[Row]) -> str:
    """Say why no cell can be recommended."""
    if not rows:
        return "nothing can be recommended: every form was refused at export"
    return (
        f"nothing can be recommended: no row keeps {limits_phrase(limits)};"
        f" {best_within_reach(limits, rows)}. Relax a limit, or profile a smaller model"
    )


def won(
    winner: Cell,
    best: Cell,
    fastest: Cell,
    to_best: PairedDifference,
    others: Sequence[tuple[Cell, PairedDifference]],
    *,
    candidates: int,
    limited: bool,
) -> str:
    """Say why a cell is recommended.

    Args:
        winner: The recommended cell.
        best: The most accurate candidate.
        fastest: The fastest of those that cannot be told apart from ``best``.
        to_best: Accuracy of the winner minus that of ``best``, paired.
        others: Other cells that cannot be told apart from ``best``, each with its difference to it.
        candidates: How many cells were decided between.
        limited: Whether limits were set.
    """
    scope = f"{counted(candidates, 'candidate')}{' within the limits' if limited else ''}"
    interval = percent_interval(winner.profile.evaluation.accuracy_ci95)
    numbers = f"{percent(winner.accuracy)}, 95 % interval {interval}"
    speed = f"p50 {winner.pace}" if winner.by_latency else winner.pace
    if candidates == 1:
        return f"the only candidate{' within the limits' if limited else ''} ({numbers}; {speed})"
    if winner is best:
        reason = f"most accurate of the {scope} ({numbers}; {speed})"
        named = [
            f"{cell.label} cannot be told apart in accuracy ({p_value(difference.p_value)}) but {_is(cell, winner)}"
            for cell, difference in others[:_NAMED]
        ]
        more = len(others) - _NAMED
        return "; ".join([reason, *named, *([f"the same holds for {more} more"] if more > 0 else [])])
    tied = f"of the {len(others) + 1} (of {scope}) that cannot be told apart in accuracy from the best"
    accuracy = f"{numbers}, against {percent(best.accuracy)} of {best.label}, {p_value(to_best.p_value)}"
    if winner is fastest:
        return f"fastest {tied} ({accuracy}; {speed}); {best.label} {_is(best, winner)}"
    return (
        f"smallest {tied} and as fast as the fastest of them ({accuracy}; {winner.pace} and"
        f" {megabytes(winner.size_bytes)} against {fastest.pace} and"
        f" {megabytes(fastest.size_bytes)} of {fastest.label})"
    )


def equal_but_loses(cell: Cell, winner: Cell, best: Cell, to_best: Mapping[Cell, PairedDifference]) -> str:
    """Say why a cell that cannot be told apart in accuracy from the most accurate one lost.

    Args:
        cell: The cell that lost.
        winner: The recommended cell.
        best: The most accurate candidate: ``cell``, ``winner`` or a third.
        to_best: Accuracy of each candidate minus that of ``best``, paired.
    """
    other = winner if cell is best else best
    tested = to_best[winner if cell is best else cell]
    of_whom = "" if other is winner else f" of {other.label}"
    return (
        f"same accuracy within the noise ({percent(cell.accuracy)} against {percent(other.accuracy)}"
        f"{of_whom}, {p_value(tested.p_value)}), {_speed(cell, winner)}{_size_if_decisive(cell, winner)}"
    )


def less_accurate(
    cell: Cell,
    winner: Cell,
    best: Cell,
    to_best: PairedDifference,
    dominator: Cell | None,
    *,
    significant: bool,
) -> str:
    """Say what a less accurate cell costs and gains against the winner.

    Args:
        cell: The cell that lost.
        winner: The recommended cell.
        best: The most accurate candidate, which the test was made against.
        to_best: Accuracy of the cell minus that of ``best``, paired.
        dominator: A candidate that is nowhere worse than the cell and somewhere better, if any.
        significant: Whether the test finds the difference; if not, it is merely more than counts as equal.
    """
    than = "" if best is winner else f" than {best.label}"
    # Without a significant difference, what decided is that it is too large to be waved through.
    too_far = "" if significant else ", but over the 1 point that may pass as equal"
    reason = f"{points(to_best.difference)} less accurate{than} ({p_value(to_best.p_value)}{too_far})"
    reason = f"{reason}, {_speed(cell, winner)}"
    if dominator is not None and dominator is not winner:
        reason += f"; dominated by {dominator.label}"
    return reason


def _speed(cell: Cell, winner: Cell) -> str:
    if winner.clearly_faster_than(cell):
        return times(cell.pace_ms / winner.pace_ms, "slower")
    if cell.clearly_faster_than(winner):
        return times(winner.pace_ms / cell.pace_ms, "faster")
    return "as fast within the noise"


def _size_if_decisive(cell: Cell, winner: Cell) -> str:
    if winner.clearly_faster_than(cell) or cell.size_bytes == winner.size_bytes:
        return ""
    return f" and larger ({megabytes(cell.size_bytes)} against {megabytes(winner.size_bytes)})"


def _is(cell: Cell, winner: Cell) -> str:
    """Return the predicate of a cell that lost to the winner: how much slower or larger it is."""
    parts = []
    if winner.clearly_faster_than(cell):
        parts.append(times(cell.pace_ms / winner.pace_ms, "slower"))
    if cell.size_bytes > winner.size_bytes:
        parts.append(times(cell.size_bytes / winner.size_bytes, "larger"))
    return f"is {listing(parts)}" if parts else "is no faster"


def timed_otherwise(cell: Cell, other: Cell) -> str:
    """Say why the latency of a cell cannot be held against a baseline; the predicate of a sentence."""
    if _way(cell) != _way(other):
        ways = f"was timed on {_way(cell)}, the baseline on {_way(other)}"
    elif highest_rate(cell.profile) is not None:
        ways = f"was timed at the highest rate found ({cell.pace}), the baseline at another ({other.pace})"
    else:
        ways = f"was timed on {_fed(cell)}, the baseline on {_fed(other)}"
    return f"{ways}, so their latencies are not compared: measure the baseline here in the same way"


def _way(cell: Cell) -> str:
    profile = cell.profile
    way = f"{profile.backend}, {counted(profile.threads, 'thread')}, {timed_as(profile)}"
    return f"{machine_name(profile)} ({way})"


def _fed(cell: Cell) -> str:
    fed = cell.profile.corpus
    return f"{fed.inputs} of {fed.name} ({fed.test_hash[:8]})"


def answered_otherwise(cell: Cell, other: Cell) -> str:
    """Say why the accuracy of a cell cannot be held against a baseline; the predicate of a sentence."""
    return (
        f"was tested on other reviews ({cell.test_hash[:8]}) than the baseline ({other.test_hash[:8]}), so their"
        " accuracies are not compared: export or profile both with the same test rows"
    )


def speed_against(cell: Cell, other: Cell, interval: Interval | None, undecided: bool) -> str:
    """Say how a cell's speed stands to a baseline's; the predicate of a sentence.

    Args:
        cell: What is held against the baseline.
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
    return f"is as fast within the noise {numbers}"


def accuracy_against(cell: Cell, other: Cell, difference: PairedDifference) -> str:
    """Say how a cell's accuracy stands to a baseline's on the same reviews; the predicate of a sentence."""
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
        failing: Whether the limit is exceeded, rather than not to be checked.
    """
    ending = f"the limit is {limit(most * 100)} {unit}" if failing else "the limit cannot be checked"
    return f"{cell.label} {predicate}; {ending}"


def not_measured(row: Row) -> str:
    """Say that a row cannot be held against the baseline because it failed."""
    return f"{row.label} could not be measured ({row.failure}), so no limit of the baseline can be checked"


def _baseline(cell: Cell, other: Cell) -> str:
    return "the baseline" if other.label == cell.label else other.label


def measured_on(rows: Sequence[Row]) -> str:
    """Say what the accuracies speak of: how many test reviews, and how often the commonest label is right."""
    sets = dict.fromkeys((row.test_reviews, row.majority_baseline) for row in rows)
    phrases = [
        f"{reviews:,} test reviews (always the commonest label: {percent(baseline)})"
        for reviews, baseline in sets
        if reviews is not None and baseline is not None
    ]
    return f"accuracy on {listing(phrases)}, ± half the 95 % interval"
