"""Which cell to ship on one machine, and what excluded or beat each other one.

The rule, in order:

1. Excluded: forms the export refused; cells evaluated on other reviews or timed otherwise (scenario, rate of
   arrival or bound, size of batches) than most, and where there are as many, than one review at a time; cells
   that break a limit; forms that gain nothing over fp32 of their bundle; forms less accurate than fp32 of their
   bundle, or of which that is undecided, unless those are accepted.
2. The most accurate of the rest is the reference. Those count as accurate as it that are shown to lose less than the
   margin. A cell is called less accurate only where Holm's correction for all pairs of candidates leaves it so: the
   reference was chosen for being the highest. The others are undecided, and not shipped.
3. Of those as accurate, the fastest wins, by median latency, offline by reviews a second, and where the highest rate
   was searched for by that; among cells shown to be as fast, within the margin, the smallest.
4. What is not shown to be more often right than always the most frequent label is not shipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slmbench.common.formatting import p_value
from slmbench.compare.cells import Cell
from slmbench.compare.choosing import Candidates, Choice, choose_among
from slmbench.compare.constraints import Constraints, DecisionRule
from slmbench.compare.front import Front, front_of
from slmbench.compare.pairs import difference, over_a_constant, reviews_needed, speed_verdict, time_bounds
from slmbench.records.comparison import Reason, UndecidedPair
from slmbench.statistics.verdicts import Bounds, gate, verdict

REFERENCE_FORM = "fp32"


@dataclass(frozen=True)
class Exclusion:
    """Why a cell is no candidate.

    Attributes:
        reason: The kind of reason.
        compared_with: The cell that it was compared with, where there is one.
        broken: A phrase for each limit that it breaks.
    """

    reason: Reason
    compared_with: Cell | None = None
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The decision for the cells of one machine.

    Attributes:
        cells: All of them, in the order of tables.
        comparable: Those evaluated on the same reviews and timed alike, which were decided between.
        excluded: Those that are no candidates, each with the reason.
        front: The Pareto front over ``comparable``.
        choice: What was chosen; ``None`` where no candidate is left.
        limits: The limits that were set, by name.
        rule: The margins and the metric.
        over_majority: Accuracy of the winner minus that of always the most frequent label, paired.
    """

    cells: list[Cell]
    comparable: list[Cell]
    excluded: dict[Cell, Exclusion]
    front: Front
    choice: Choice | None
    limits: dict[str, float]
    rule: DecisionRule
    over_majority: Bounds | None

    @property
    def winner(self) -> Cell | None:
        """The recommended cell, if any."""
        return self.choice.winner if self.choice and not self.at_chance else None

    @property
    def at_chance(self) -> bool:
        """Whether what would be shipped is not shown to be right more often than always the most frequent label.

        A decision by another metric is not stopped by that: where labels are rare, accuracy says little.
        """
        return self.rule.metric == "accuracy" and self.over_majority is not None and self.over_majority.ci95[0] <= 0

    def fp32_of(self, cell: Cell) -> Cell | None:
        """Return the fp32 form of a cell's bundle, run the same way, if it was decided between."""
        return _fp32_of(cell, self.comparable)

    @property
    def apart(self) -> list[Cell]:
        """Cells that cannot be compared with those decided between: other reviews, or timed otherwise."""
        return [cell for cell, why in self.excluded.items() if why.reason in ("other_reviews", "other_timing")]


def decide(
    cells: Sequence[Cell],
    constraints: Constraints,
    axes: Sequence[str] | None = None,
    rule: DecisionRule | None = None,
) -> Decision:
    """Decide for the cells of one machine.

    Args:
        cells: Measured cells of one machine, at least one.
        constraints: The limits of the deployment.
        axes: What the front is over; ``None`` as :func:`~slmbench.compare.front.front_of` says. The recommendation
            does not depend on it.
        rule: Margins and metric; ``None`` means the defaults.

    Returns:
        What was chosen, and what excluded each cell that is no candidate.
    """
    rule = rule or DecisionRule()
    excluded = {cell: Exclusion("refused") for cell in cells if cell.row.refusal is not None}
    accepted = [cell for cell in cells if cell not in excluded]
    comparable = _comparable(accepted)
    for cell in accepted:
        if cell not in comparable:
            same_reviews = cell.test_hash == comparable[0].test_hash
            excluded[cell] = Exclusion("other_timing" if same_reviews else "other_reviews", comparable[0])
    for cell in comparable:
        broken = (*constraints.violations(cell.row), *_broken_rate(cell))
        if broken:
            excluded[cell] = Exclusion("over_limit", broken=broken)
    within = [cell for cell in comparable if cell not in excluded]
    for cell in within:
        reference = _fp32_of(cell, within)
        if reference and not _gains(cell, reference, rule):
            excluded[cell] = Exclusion("no_gain", reference)
        elif (fp32 := _fp32_of(cell, comparable)) and (why := _form_loses(cell, fp32, rule)):
            excluded[cell] = Exclusion(why, fp32)
    candidates = [cell for cell in within if cell not in excluded]
    choice = choose_among(Candidates(candidates, rule), constraints) if candidates else None
    return Decision(
        list(cells),
        comparable,
        excluded,
        front_of(comparable, axes, constraints.as_dict(), rule.metric),
        choice,
        constraints.as_dict(),
        rule,
        over_majority(choice.winner) if choice else None,
    )


def over_majority(cell: Cell) -> Bounds:
    """Compare a cell with always giving the most frequent label of its test reviews."""
    truth = np.asarray(cell.profile.predictions.truth)[np.argsort(cell.profile.predictions.row_ids)]
    return over_a_constant(cell, truth == np.bincount(truth).argmax())


def _comparable(cells: Sequence[Cell]) -> list[Cell]:
    """Return the largest group of the same reviews timed alike; of equal ones single reviews, then the newest."""
    group_of = {cell: (cell.test_hash, cell.timed_as) for cell in cells}
    groups = Counter(group_of.values())
    if not groups:
        return []
    newest = {group: max(cell.profile.created for cell in cells if group_of[cell] == group) for group in groups}
    chosen = max(groups, key=lambda group: (groups[group], group[1] == "single", newest[group], group))
    return [cell for cell in cells if group_of[cell] == chosen]


def _broken_rate(cell: Cell) -> list[str]:
    """Say that the highest rate found did not keep its bound when it was verified; nothing where it did."""
    if cell.profile.keeps_its_bound:
        return []
    return [f"its rate of {cell.pace} did not hold when it was verified ({cell.timed_as})"]


def _fp32_of(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    """Return the fp32 form of the same bundle, run the same way."""
    if cell.profile.form == REFERENCE_FORM:
        return None
    same = (other for other in cells if _bundle_and_way(other) == _bundle_and_way(cell))
    return next((other for other in same if other.profile.form == REFERENCE_FORM), None)


def _bundle_and_way(cell: Cell) -> tuple[object, ...]:
    profile = cell.profile
    return cell.bundles, profile.backend, profile.device, profile.threads


def _gains(cell: Cell, reference: Cell, rule: DecisionRule) -> bool:
    faster = speed_verdict(reference, cell, rule.time_margin) == "better"
    return faster or cell.size_bytes < reference.size_bytes


def _form_loses(cell: Cell, reference: Cell, rule: DecisionRule) -> Reason | None:
    """Return why a form is no candidate beside fp32 of its bundle; ``None`` where it is shown to lose little."""
    bounds = difference(reference, cell, rule.metric).bounds
    if gate(bounds, rule.form_margin) == "pass":
        return None
    if verdict(bounds, rule.form_margin) == "worse":
        return "form_worse"
    return None if rule.accept_undecided else "form_undecided"


def undecided_pairs(decision: Decision) -> list[UndecidedPair]:
    """Return the undecided pairs of a decision: in accuracy, of forms with their fp32, and in speed."""
    choice, rule, found = decision.choice, decision.rule, []
    for cell, why in decision.excluded.items():
        if why.reason == "form_undecided" and why.compared_with:
            found.append(_in_quality(why.compared_with, cell, rule, rule.form_margin))
    if choice is None:
        return found
    for cell, quality in choice.verdicts.items():
        cheaper = cell.pace_ms < choice.winner.pace_ms or cell.size_bytes < choice.winner.size_bytes
        if quality == "undecided" and cell not in choice.as_good and cheaper:
            found.append(_in_quality(choice.best, cell, rule, rule.model_margin))
    for cell, speed in choice.speeds.items():
        bounds = time_bounds(choice.fastest, cell)
        if speed == "undecided" and bounds is not None:
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
            f"undecided whether {second.label} is as accurate as {first.label} within {rule.written_margin(within)}"
            f" ({rule.written_gap(found.bounds.value)} {more}, {p_value(found.p_value)}): about {needed:,} test"
            " reviews would settle it"
        ),
    )
