"""Pairs of rows between which the measurements do not decide although it matters, and what would decide."""

from __future__ import annotations

from slmbench.common.formatting import p_value
from slmbench.compare.cells import Cell
from slmbench.compare.constraints import DecisionRule
from slmbench.compare.decision import Decision
from slmbench.compare.pairs import difference, time_bounds
from slmbench.compare.sentences import gap, margin, reviews_needed
from slmbench.records.comparison import UndecidedPair


def undecided_pairs(decision: Decision) -> list[UndecidedPair]:
    """Return the undecided pairs of a decision: in accuracy, of forms with their fp32, and in speed."""
    choice, rule, found = decision.choice, decision.rule, []
    for cell, why in decision.excluded.items():
        if why.reason == "form_undecided" and why.compared_with:
            found.append(_in_quality(why.compared_with, cell, rule, rule.form_margin))
    if choice is None:
        return found
    for cell, verdict in choice.verdicts.items():
        cheaper = cell.pace_ms < choice.winner.pace_ms or cell.size_bytes < choice.winner.size_bytes
        if verdict == "undecided" and cell not in choice.as_good and cheaper:
            found.append(_in_quality(choice.best, cell, rule, rule.model_margin))
    for cell, verdict in choice.speeds.items():
        bounds = time_bounds(choice.fastest, cell)
        if verdict == "undecided" and bounds is not None:
            found.append(
                UndecidedPair(
                    first=choice.fastest.label,
                    second=cell.label,
                    of="speed",
                    difference=bounds.value,
                    ci95=bounds.ci95,
                    reviews_needed=None,
                    sentence=(
                        f"undecided whether {cell.label} ({cell.pace}) is as fast as {choice.fastest.label}"
                        f" ({choice.fastest.pace}) within {rule.time_margin:.0%}: measure both with slmbench versus"
                    ),
                )
            )
    return found


def _in_quality(first: Cell, second: Cell, rule: DecisionRule, within: float) -> UndecidedPair:
    found = difference(first, second, rule.metric)
    needed = reviews_needed(first, second, rule, within)
    more = "more" if found.bounds.value > 0 else "less"
    return UndecidedPair(
        first=first.label,
        second=second.label,
        of=rule.metric,
        difference=found.bounds.value,
        ci95=found.bounds.ci95,
        reviews_needed=needed,
        sentence=(
            f"undecided whether {second.label} is as accurate as {first.label} within {margin(within, rule)}"
            f" ({gap(found.bounds.value, rule)} {more}, {p_value(found.p_value)}): about {needed:,} test reviews"
            " would settle it"
        ),
    )
