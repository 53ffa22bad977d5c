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
   was sought by that; among cells shown to be as fast, within the margin, the smallest.
4. What is not shown to be more often right than always the commonest label is not shipped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from slmbench.compare.cells import Cell
from slmbench.compare.choosing import Margins, choose
from slmbench.compare.constraints import Constraints, DecisionRule
from slmbench.compare.front import Front, front_of
from slmbench.compare.pairs import Difference, difference, over_a_constant, speed_verdict, time_bounds
from slmbench.records.comparison import Reason
from slmbench.statistics import METRICS, SIGNIFICANCE
from slmbench.statistics.verdicts import Bounds, Verdict, gate, holm, verdict

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


class Candidates:
    """Cells that may be shipped, with every comparison of two of them that is asked for, each made once.

    Args:
        cells: At least one, evaluated on the same reviews.
        rule: Margins and metric.
    """

    def __init__(self, cells: Sequence[Cell], rule: DecisionRule) -> None:
        self.cells = list(cells)
        self.rule = rule
        self._differences: dict[tuple[Cell, Cell], Difference] = {}

    @cached_property
    def quality(self) -> np.ndarray:
        """What decides, more is better, shape (k,)."""
        sign = 1 if METRICS[self.rule.metric].better == "more" else -1
        return np.nan_to_num([sign * cell.value(self.rule.metric) for cell in self.cells], nan=-np.inf)

    @cached_property
    def log_time(self) -> np.ndarray:
        """Logarithm of what speed is judged by, shape (k,)."""
        return np.log([cell.pace_ms for cell in self.cells])

    @cached_property
    def size(self) -> np.ndarray:
        """Bytes on disk, shape (k,)."""
        return np.array([cell.size_bytes for cell in self.cells], dtype=float)

    @cached_property
    def margins(self) -> Margins:
        """What a difference between two of them has to show."""
        k = len(self.cells)
        below, faster, slower = (np.zeros((k, k)) for _ in range(3))
        for i, first in enumerate(self.cells):
            for j, second in enumerate(self.cells):
                if i == j:
                    continue
                bounds = self.difference(first, second).bounds
                below[i, j] = bounds.value - bounds.ci90[0]
                times = time_bounds(first, second)
                if times is not None:  # positive: the second is faster
                    faster[i, j], slower[i, j] = times.ci90[1] - times.value, times.value - times.ci90[0]
        return Margins(below, faster, slower, self.rule.model_margin, math.log1p(self.rule.time_margin))

    def difference(self, first: Cell, second: Cell) -> Difference:
        """Compare two of them in what decides."""
        if (first, second) not in self._differences:
            found = difference(first, second, self.rule.metric)
            self._differences[first, second] = found
            turned = found.bounds._replace(
                value=-found.bounds.value,
                ci95=(-found.bounds.ci95[1], -found.bounds.ci95[0]),
                ci90=(-found.bounds.ci90[1], -found.bounds.ci90[0]),
            )
            self._differences[second, first] = Difference(turned, found.p_value)
        return self._differences[first, second]


@dataclass(frozen=True)
class Choice:
    """What was chosen among candidates, and by which comparisons.

    Attributes:
        winner: The recommended cell.
        best: The most accurate candidate, the reference.
        fastest: The fastest of ``as_good``.
        compared: The candidates with their comparisons.
        as_good: Candidates shown to be as accurate as ``best``, within the margin.
        verdicts: Of every other candidate compared with ``best`` in accuracy; ``worse`` is corrected for the number
            of pairs.
        speeds: Of every other candidate of ``as_good`` compared with ``fastest`` in time.
        doubts: Limits that the winner keeps, but perhaps not the next time, in words.
    """

    winner: Cell
    best: Cell
    fastest: Cell
    compared: Candidates
    as_good: list[Cell]
    verdicts: dict[Cell, Verdict]
    speeds: dict[Cell, Verdict]
    doubts: list[str]

    @property
    def candidates(self) -> list[Cell]:
        """What was chosen from."""
        return self.compared.cells

    def to_best(self, cell: Cell) -> Difference:
        """Return the accuracy of a candidate minus that of ``best``, paired."""
        return self.compared.difference(self.best, cell)


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
        over_majority: Accuracy of the winner minus that of always the commonest label, paired.
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
        """Whether what would be shipped is not shown to be right more often than always the commonest label.

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
    """Compare a cell with always giving the commonest label of its test reviews."""
    truth = np.asarray(cell.profile.predictions.truth)[np.argsort(cell.profile.predictions.row_ids)]
    return over_a_constant(cell, truth == np.bincount(truth).argmax())


def choose_among(compared: Candidates, constraints: Constraints) -> Choice:
    """Choose among candidates.

    Args:
        compared: The candidates.
        constraints: The limits of the deployment, for doubts about them.
    """
    cells, rule = compared.cells, compared.rule
    chosen = choose(compared.quality[None], compared.log_time[None], compared.size, compared.margins)
    best, fastest = cells[chosen.reference[0]], cells[chosen.fastest[0]]
    as_good = [cell for cell, kept in zip(cells, chosen.as_good[0], strict=True) if kept]
    others = [cell for cell in cells if cell is not best]
    p_values = holm([compared.difference(best, cell).p_value for cell in others], len(cells) * len(others) // 2)
    verdicts = {
        cell: _corrected(verdict(compared.difference(best, cell).bounds, rule.model_margin), p_value)
        for cell, p_value in zip(others, p_values, strict=True)
    }
    winner = cells[chosen.winner[0]]
    speeds = {cell: speed_verdict(fastest, cell, rule.time_margin) for cell in as_good if cell is not fastest}
    return Choice(winner, best, fastest, compared, as_good, verdicts, speeds, constraints.doubts(winner.row))


def _corrected(found: Verdict, p_value: float) -> Verdict:
    return "undecided" if found in ("better", "worse") and p_value >= SIGNIFICANCE else found


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
