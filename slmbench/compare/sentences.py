"""A decision in words: why a cell is recommended and why each other one is not, with the numbers that decided it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from slmbench.common.formatting import counted, listing, megabytes, p_value, percent, percent_interval, times
from slmbench.compare.cells import Cell
from slmbench.compare.choosing import Choice
from slmbench.compare.constraints import DecisionRule, best_within_reach, limits_phrase, nearest_row
from slmbench.compare.decision import Decision, Exclusion
from slmbench.compare.front import dominator
from slmbench.compare.pairs import difference, reviews_needed, speed_verdict
from slmbench.records.comparison import Reason, Stability, UndecidedPair
from slmbench.statistics import METRICS
from slmbench.statistics.verdicts import gate

#: How many cells that could have been chosen as well a reason names.
_NAMED = 2


class Loss(NamedTuple):
    """Why a cell is not recommended: the kind of reason, and the reason in words."""

    cell: Cell
    reason: Reason
    why: str


def why_recommended(decision: Decision, undecided: Sequence[UndecidedPair]) -> str:
    """Say why the recommended cell is, or why there is none.

    Args:
        decision: The decision.
        undecided: Its undecided pairs.
    """
    choice = decision.choice
    if choice is None:
        return _nothing_left(decision) + _left_out(decision)
    if decision.at_chance:
        return _at_chance(decision) + _left_out(decision)
    always = choice.winner.profile.evaluation.one_answer_sentence
    why = [_won(choice, undecided, limited=bool(decision.limits)), *filter(None, [always]), *choice.doubts]
    return "; ".join(why) + _left_out(decision)


def why_not(decision: Decision) -> list[Loss]:
    """Say of each cell that is not recommended why, in the order of the cells."""
    losses = []
    for cell in decision.cells:
        choice = decision.choice
        if cell in decision.excluded:
            excluded = decision.excluded[cell]
            losses.append(Loss(cell, excluded.reason, _excluded(cell, excluded, decision.rule)))
        elif choice and cell is choice.winner:
            if decision.at_chance:
                losses.append(Loss(cell, "at_chance", _no_better_than_majority(decision)))
        elif choice and cell in choice.as_good:
            losses.append(Loss(cell, "slower_or_larger", _as_good(cell, choice)))
        elif choice:
            reason: Reason = "less_accurate" if choice.verdicts[cell] == "worse" else "undecided"
            losses.append(Loss(cell, reason, _less_accurate(cell, choice, decision)))
    return losses


def qualifications(decision: Decision) -> list[str]:
    """Say what the recommendation does not beat, and what was accepted without certainty: what has to stand first."""
    winner, rule, found = decision.winner, decision.rule, []
    if winner is None:
        return []
    if decision.over_majority and decision.over_majority.ci95[0] <= 0:
        found.append(f"in accuracy {_no_better_than_majority(decision)}")
    simple = [cell for cell in decision.comparable if cell.is_tfidf_baseline]
    if simple and not winner.is_tfidf_baseline:
        baseline = max(simple, key=lambda cell: cell.value(rule.metric))
        if difference(baseline, winner, rule.metric).bounds.ci95[0] <= 0:
            found.append(
                f"not shown to be better than the TF-IDF baseline ({_quality(winner, rule)} against"
                f" {_quality(baseline, rule)})"
            )
    fp32 = decision.fp32_of(winner)
    if fp32 and gate(difference(fp32, winner, rule.metric).bounds, rule.form_margin) != "pass":
        found.append(
            f"undecided whether it is as accurate as fp32 within {rule.written_margin(rule.form_margin)}, which"
            " --accept-undecided accepts"
        )
    return found


def in_replays(stability: Stability | None) -> str:
    """Say how stable a decision is; nothing where that is not known."""
    if stability is None:
        return ""
    (first, share), *others = stability.chosen.items()
    named = [label for label, _ in others[:_NAMED]] if share < 0.995 else []  # which 100 % would contradict
    otherwise = f"; otherwise {listing(named)}" if named else ""
    return (
        f"{first} is chosen in {share * 100:.0f} % of {stability.replays:,} replays{otherwise}; at most"
        f" {stability.regret_points:.1f} points of accuracy and {stability.regret_time * 100:.0f} % of time behind"
        " the best (Hsu, 95 %)"
    )


def _no_better_than_majority(decision: Decision) -> str:
    winner = decision.choice.winner if decision.choice else decision.comparable[0]
    return (
        f"no better than always saying the most frequent label ({percent(winner.accuracy)}, 95 % interval"
        f" {percent_interval(winner.accuracy_ci95)}, against"
        f" {percent(winner.profile.evaluation.majority_baseline)})"
    )


def _at_chance(decision: Decision) -> str:
    winner = decision.choice.winner if decision.choice else decision.comparable[0]
    return (
        f"nothing can be recommended: {winner.label}, which would be chosen, is {_no_better_than_majority(decision)}."
        " Train on more reviews or with a larger model, or test on more reviews"
    )


def _excluded(cell: Cell, excluded: Exclusion, rule: DecisionRule) -> str:
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
    if excluded.reason in ("form_worse", "form_undecided"):
        return _form_loses(cell, other, rule, certain=excluded.reason == "form_worse")
    return (
        f"no gain on this machine: neither faster ({cell.pace} against {other.pace}) nor smaller"
        f" ({megabytes(cell.size_bytes)} against {megabytes(other.size_bytes)}) than {other.label}"
    )


def _form_loses(cell: Cell, other: Cell, rule: DecisionRule, *, certain: bool) -> str:
    found = difference(other, cell, rule.metric)
    low, high = (f"{end * 100:+.1f}" for end in found.bounds.ci90)
    numbers = (
        f"({_quality(cell, rule)} against {_quality(other, rule)} of {other.label}; 90 % interval of the difference"
        f" {low} to {high} points, {p_value(found.p_value)})"
    )
    if certain:
        return f"less accurate than fp32 of its bundle {numbers}"
    needed = reviews_needed(other, cell, rule, rule.form_margin)
    within = rule.written_margin(rule.form_margin)
    return (
        f"undecided whether it is as accurate as fp32 of its bundle within {within} {numbers}:"
        f" about {needed:,} test reviews would settle it, or --accept-undecided accepts it"
    )


def _quality(cell: Cell, rule: DecisionRule) -> str:
    return rule.written(cell.value(rule.metric))


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
    near = [best_within_reach(decision.limits, rows), nearest_row(decision.limits, rows)]
    said = "; ".join([f"no row keeps {limits_phrase(decision.limits)}", *filter(None, near)])
    return f"nothing can be recommended: {said}. Relax a limit, or profile a smaller model"


def _won(choice: Choice, undecided: Sequence[UndecidedPair], *, limited: bool) -> str:
    winner, best, fastest, rule = choice.winner, choice.best, choice.fastest, choice.compared.rule
    within = " within the limits" if limited else ""
    scope = f"{counted(len(choice.candidates), 'candidate')}{within}"
    numbers = _quality(winner, rule)
    if rule.metric == "accuracy":
        numbers += f", 95 % interval {percent_interval(winner.accuracy_ci95)}"
    if winner.seeds > 1:
        numbers += f" over {winner.seeds} seeds"
    speed = f"p50 {winner.pace}" if winner.by_latency else winner.pace
    if len(choice.candidates) == 1:
        return f"the only candidate{within} ({numbers}; {speed})"
    others = sorted((cell for cell in choice.as_good if cell is not winner), key=lambda cell: cell.pace_ms)
    what = "accurate" if rule.metric == "accuracy" else f"good in {METRICS[rule.metric].title}"
    equally = f"as {what} as the best within {rule.written_margin(rule.model_margin)}"
    if winner is best:
        doubtful = [pair for pair in undecided if pair.of != "speed" and pair.first == best.label]
        reason = f"{'highest' if doubtful else 'most'} {_noun(rule) if doubtful else what} of the {scope}"
        reason += f" ({numbers}; {speed})"
        if doubtful:
            needed = max(pair.reviews_needed or 0 for pair in doubtful)
            reason += (
                f", but undecided against {_some([pair.second for pair in doubtful])}: about {needed:,} test reviews"
                " would settle it"
            )
        named = [f"{cell.label} is {equally} but {_how_it_lost(cell, winner)}" for cell in others[:_NAMED]]
        more = len(others) - _NAMED
        won = "; ".join([reason, *named, *([f"the same holds for {more} more"] if more > 0 else [])])
    else:
        accuracy = f"{numbers}, against {_quality(best, rule)} of {best.label}"
        accuracy += f", {p_value(choice.to_best(winner).p_value)}"
        if winner is fastest:
            won = f"fastest of the {len(others) + 1} (of {scope}) {equally} ({accuracy}; {speed})"
            won += f"; {best.label} {_how_it_lost(best, winner)}"
        else:
            won = (
                f"smallest of the {len(others) + 1} (of {scope}) {equally} and as fast as the fastest of them within"
                f" {rule.time_margin:.0%} ({accuracy}; {winner.pace} and {megabytes(winner.size_bytes)} against"
                f" {fastest.pace} and {megabytes(fastest.size_bytes)} of {fastest.label})"
            )
    slower = [pair.second for pair in undecided if pair.of == "speed"]
    return won + (f"; its speed against {_some(slower)} is undecided: `slmbench versus` decides it" if slower else "")


def _noun(rule: DecisionRule) -> str:
    return METRICS[rule.metric].title


def _some(labels: Sequence[str]) -> str:
    more = len(labels) - _NAMED
    return listing([*labels[:_NAMED], *([f"{more} more"] if more > 0 else [])])


def _as_good(cell: Cell, choice: Choice) -> str:
    """Say why a cell lost that is as accurate as the most accurate one, within the margin."""
    winner, best, rule = choice.winner, choice.best, choice.compared.rule
    other = winner if cell is best else best
    found = choice.to_best(winner if cell is best else cell)
    of_whom = "" if other is winner else f" of {other.label}"
    numbers = f"{_quality(cell, rule)} against {_quality(other, rule)}{of_whom}, {p_value(found.p_value)}"
    return (
        f"as accurate within {rule.written_margin(rule.model_margin)} ({numbers}), {_speed(cell, winner, rule)}"
        f"{_size_if_decisive(cell, choice)}"
    )


def _less_accurate(cell: Cell, choice: Choice, decision: Decision) -> str:
    """Say what a cell costs and gains compared with the winner that is less accurate, or perhaps so."""
    winner, best, rule, to_best = choice.winner, choice.best, choice.compared.rule, choice.to_best(cell)
    lost = rule.written_gap(to_best.bounds.value)
    if choice.verdicts[cell] == "worse":
        than = "" if best is winner else f" than {best.label}"
        reason = f"{lost} less accurate{than} ({p_value(to_best.p_value)})"
    else:
        needed = reviews_needed(best, cell, rule, rule.model_margin)
        reason = (
            f"undecided whether as accurate as {best.label} within {rule.written_margin(rule.model_margin)}"
            f" ({lost} less, {p_value(to_best.p_value)}; about {needed:,} test reviews would settle it)"
        )
    reason = f"{reason}, {_speed(cell, winner, rule)}"
    better = dominator(cell, choice.candidates, decision.front.axes)
    if better is not None and better is not winner:
        reason += f"; dominated by {better.label}"
    return reason


def _speed(cell: Cell, winner: Cell, rule: DecisionRule) -> str:
    found = speed_verdict(winner, cell, rule.time_margin)
    if found == "worse":
        return times(cell.pace_ms / winner.pace_ms, "slower")
    if found == "better":
        return times(winner.pace_ms / cell.pace_ms, "faster")
    if found == "equivalent":
        return f"as fast within {rule.time_margin:.0%}"
    slower = cell.pace_ms >= winner.pace_ms
    ratio = cell.pace_ms / winner.pace_ms if slower else winner.pace_ms / cell.pace_ms
    return f"{times(ratio, 'slower' if slower else 'faster')} as measured, which is undecided"


def _size_if_decisive(cell: Cell, choice: Choice) -> str:
    winner = choice.winner
    if choice.speeds.get(cell) == "worse" or cell.size_bytes == winner.size_bytes:
        return ""
    kind = "larger" if cell.size_bytes > winner.size_bytes else "smaller"
    return f", {kind} ({megabytes(cell.size_bytes)} against {megabytes(winner.size_bytes)})"


def _how_it_lost(cell: Cell, winner: Cell) -> str:
    """Return the predicate of a cell that lost to the winner: how much slower or larger it is."""
    parts = []
    if cell.pace_ms > winner.pace_ms:
        parts.append(times(cell.pace_ms / winner.pace_ms, "slower"))
    if cell.size_bytes > winner.size_bytes:
        parts.append(times(cell.size_bytes / winner.size_bytes, "larger"))
    return f"is {listing(parts)}" if parts else "is no faster"
