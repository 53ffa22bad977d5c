"""A decision in words: why a cell is recommended and why each other one is not, with the numbers that decided it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slmbench.common.formatting import counted, listing, megabytes, p_value, percent, percent_interval, points, times
from slmbench.compare.constraints import best_within_reach, limits_phrase
from slmbench.compare.front import dominator
from slmbench.statistics import SIGNIFICANCE

if TYPE_CHECKING:
    from slmbench.compare.cells import Cell
    from slmbench.compare.decision import Choice, Decision, Exclusion
    from slmbench.records.comparison import Reason

#: How many cells that could have been chosen as well a reason names.
_NAMED = 2


class Loss(NamedTuple):
    """Why a cell is not recommended: the kind of reason, and the reason in words."""

    cell: Cell
    reason: Reason
    why: str


def why_recommended(decision: Decision) -> str:
    """Say why the recommended cell is, or why there is none."""
    if decision.choice is None:
        return _nothing_left(decision) + _left_out(decision)
    always = decision.choice.winner.profile.evaluation.one_answer_sentence
    why = [_won(decision.choice, limited=bool(decision.limits)), *filter(None, [always]), *decision.choice.doubts]
    return "; ".join(why) + _left_out(decision)


def why_not(decision: Decision) -> list[Loss]:
    """Say of each cell that is not recommended why, in the order of the cells."""
    losses = []
    for cell in decision.cells:
        if cell in decision.excluded:
            excluded = decision.excluded[cell]
            losses.append(Loss(cell, excluded.reason, _excluded(cell, excluded)))
        elif decision.choice and cell is not decision.choice.winner:
            equal = cell in decision.choice.as_good
            why = _as_good(cell, decision.choice) if equal else _less_accurate(cell, decision.choice, decision)
            losses.append(Loss(cell, "slower_or_larger" if equal else "less_accurate", why))
    return losses


def _excluded(cell: Cell, excluded: Exclusion) -> str:
    other = excluded.compared_with
    if excluded.reason == "refused":
        verdict = "undecided" if cell.profile.verdict == "undecided" else "refused"
        return str(cell.row.refusal) if cell.profile.accepted else f"{verdict} at export: {cell.profile.reason}"
    if other is None:
        return "; ".join(excluded.broken)
    if excluded.reason == "other_reviews":
        return (
            f"its accuracy was measured on other test reviews ({cell.test_hash[:8]}) than the decision"
            f" rests on ({other.test_hash[:8]}), so the two cannot be compared"
        )
    if excluded.reason == "other_timing":
        return f"timed as {cell.timed_as}, whereas the decision rests on rows timed as {other.timed_as}"
    return (
        f"no gain on this machine: neither faster ({cell.pace} against {other.pace}) nor smaller"
        f" ({megabytes(cell.size_bytes)} against {megabytes(other.size_bytes)}) than {other.label}"
    )


def _left_out(decision: Decision) -> str:
    """Say how many cells were not compared, as the end of the decision's reason; nothing when all were."""
    kinds = [decision.excluded[cell].reason for cell in decision.apart]
    parts = []
    if reviews := kinds.count("other_reviews"):
        parts.append(f"{counted(reviews, 'row')} tested on other reviews")
    if timings := kinds.count("other_timing"):
        parts.append(f"{counted(timings, 'row')} not timed as {decision.comparable[0].timed_as}")
    return f"; left out: {listing(parts)}" if parts else ""


def _nothing_left(decision: Decision) -> str:
    rows = [cell.row for cell in decision.comparable]
    if not rows:
        return "nothing can be recommended: every form was refused"
    return (
        f"nothing can be recommended: no row keeps {limits_phrase(decision.limits)};"
        f" {best_within_reach(decision.limits, rows)}. Relax a limit, or profile a smaller model"
    )


def _won(choice: Choice, *, limited: bool) -> str:
    winner, best, fastest = choice.winner, choice.best, choice.fastest
    within = " within the limits" if limited else ""
    scope = f"{counted(len(choice.candidates), 'candidate')}{within}"
    interval = percent_interval(winner.profile.evaluation.accuracy_ci95)
    numbers = f"{percent(winner.accuracy)}, 95 % interval {interval}"
    speed = f"p50 {winner.pace}" if winner.by_latency else winner.pace
    if len(choice.candidates) == 1:
        return f"the only candidate{within} ({numbers}; {speed})"
    others = sorted((cell for cell in choice.as_good if cell is not winner), key=lambda cell: cell.pace_ms)
    if winner is best:
        reason = f"most accurate of the {scope} ({numbers}; {speed})"
        named = [
            f"{cell.label} shows no significant difference in accuracy ({p_value(choice.to_best[cell].p_value)}) but"
            f" {_how_it_lost(cell, winner)}"
            for cell in others[:_NAMED]
        ]
        more = len(others) - _NAMED
        return "; ".join([reason, *named, *([f"the same holds for {more} more"] if more > 0 else [])])
    tied = f"of the {len(others) + 1} (of {scope}) with no significant difference in accuracy from the best"
    accuracy = (
        f"{numbers}, against {percent(best.accuracy)} of {best.label}, {p_value(choice.to_best[winner].p_value)}"
    )
    if winner is fastest:
        return f"fastest {tied} ({accuracy}; {speed}); {best.label} {_how_it_lost(best, winner)}"
    return (
        f"smallest {tied} and as fast as the fastest of them ({accuracy}; {winner.pace} and"
        f" {megabytes(winner.size_bytes)} against {fastest.pace} and"
        f" {megabytes(fastest.size_bytes)} of {fastest.label})"
    )


def _as_good(cell: Cell, choice: Choice) -> str:
    """Say why a cell lost whose accuracy counts as equal to that of the most accurate one."""
    winner, best = choice.winner, choice.best
    other = winner if cell is best else best
    tested = choice.to_best[winner if cell is best else cell]
    of_whom = "" if other is winner else f" of {other.label}"
    return (
        f"no significant difference in accuracy ({percent(cell.accuracy)} against {percent(other.accuracy)}"
        f"{of_whom}, {p_value(tested.p_value)}), {_speed(cell, winner)}{_size_if_decisive(cell, winner)}"
    )


def _less_accurate(cell: Cell, choice: Choice, decision: Decision) -> str:
    """Say what a less accurate cell costs and gains compared with the winner."""
    winner, best, to_best = choice.winner, choice.best, choice.to_best[cell]
    than = "" if best is winner else f" than {best.label}"
    # Without a significant difference, what decided is that it is larger than what counts as equal.
    too_far = "" if to_best.p_value < SIGNIFICANCE else ", but over the 1 point that counts as equal"
    reason = f"{points(to_best.difference)} less accurate{than} ({p_value(to_best.p_value)}{too_far})"
    reason = f"{reason}, {_speed(cell, winner)}"
    better = dominator(cell, choice.candidates, decision.front.axes)
    if better is not None and better is not winner:
        reason += f"; dominated by {better.label}"
    return reason


def _speed(cell: Cell, winner: Cell) -> str:
    if winner.clearly_faster_than(cell):
        return times(cell.pace_ms / winner.pace_ms, "slower")
    if cell.clearly_faster_than(winner):
        return times(winner.pace_ms / cell.pace_ms, "faster")
    return "no clear difference in speed"


def _size_if_decisive(cell: Cell, winner: Cell) -> str:
    if winner.clearly_faster_than(cell) or cell.size_bytes == winner.size_bytes:
        return ""
    return f", larger ({megabytes(cell.size_bytes)} against {megabytes(winner.size_bytes)})"


def _how_it_lost(cell: Cell, winner: Cell) -> str:
    """Return the predicate of a cell that lost to the winner: how much slower or larger it is."""
    parts = []
    if winner.clearly_faster_than(cell):
        parts.append(times(cell.pace_ms / winner.pace_ms, "slower"))
    if cell.size_bytes > winner.size_bytes:
        parts.append(times(cell.size_bytes / winner.size_bytes, "larger"))
    return f"is {listing(parts)}" if parts else "is no faster"
