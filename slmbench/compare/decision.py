"""Which cell to ship on one machine, and what excluded or beat each other one.

The rule, in order:

1. Excluded: forms the export refused; cells evaluated on other reviews or timed otherwise (scenario, rate of
   arrival or bound, size of batches) than most, and where there are as many, than one review at a time; cells
   that break a limit; forms that gain nothing over fp32 of their bundle.
2. The most accurate of the rest is the reference. A cell is as good as the reference when the exact McNemar
   test on the same reviews gives p >= 0.05 *and* the accuracies are within one point. Both are needed: the
   test alone lets a large loss pass on few reviews, the point alone a small but certain loss on many.
3. Of those, the fastest wins, by median latency, offline by reviews a second, and where the highest rate was
   sought by that; among cells whose intervals overlap with it, the smallest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.compare.front import front_of
from slmbench.statistics import SIGNIFICANCE, PairedDifference, paired_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.compare.cells import Cell
    from slmbench.compare.constraints import Constraints
    from slmbench.compare.front import Front
    from slmbench.records.comparison import Reason

#: Largest loss of accuracy, as a fraction, that counts as none when the test finds no difference.
EQUAL_WITHIN = 0.01

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
class Choice:
    """What was chosen among candidates, and by which comparisons.

    Attributes:
        winner: The recommended cell.
        best: The most accurate candidate.
        fastest: The fastest of ``as_good``.
        candidates: What was chosen from.
        to_best: Accuracy of each candidate minus that of ``best``, paired.
        as_good: Candidates with no significant difference in accuracy from ``best``, and within one point of it.
        doubts: Limits that the winner keeps, but perhaps not the next time, in words.
    """

    winner: Cell
    best: Cell
    fastest: Cell
    candidates: list[Cell]
    to_best: dict[Cell, PairedDifference]
    as_good: list[Cell]
    doubts: list[str]


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
    """

    cells: list[Cell]
    comparable: list[Cell]
    excluded: dict[Cell, Exclusion]
    front: Front
    choice: Choice | None
    limits: dict[str, float]

    @property
    def winner(self) -> Cell | None:
        """The recommended cell, if any."""
        return self.choice.winner if self.choice else None

    @property
    def apart(self) -> list[Cell]:
        """Cells that cannot be compared with those decided between: other reviews, or timed otherwise."""
        return [cell for cell, why in self.excluded.items() if why.reason in ("other_reviews", "other_timing")]


def decide(cells: Sequence[Cell], constraints: Constraints, axes: Sequence[str] | None = None) -> Decision:
    """Decide for the cells of one machine.

    Args:
        cells: Measured cells of one machine, at least one.
        constraints: The limits of the deployment.
        axes: What the front is over; ``None`` as :func:`~slmbench.compare.front.front_of` says. The recommendation
            does not depend on it.

    Returns:
        What was chosen, and what excluded each cell that is no candidate.
    """
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
        if reference and not _gains(cell, reference):
            excluded[cell] = Exclusion("no_gain", reference)
    candidates = [cell for cell in within if cell not in excluded]
    choice = _choose(candidates, constraints) if candidates else None
    return Decision(list(cells), comparable, excluded, front_of(comparable, axes), choice, constraints.as_dict())


def compare_accuracy(first: Cell, second: Cell) -> PairedDifference:
    """Compare two cells review by review: accuracy of the second minus that of the first.

    Raises:
        ValueError: They were not evaluated on the same reviews.
    """
    if first.test_hash != second.test_hash:
        raise ValueError("a paired test needs the same reviews")
    return paired_difference(first.right, second.right)


def counts_as_equal(difference: PairedDifference) -> bool:
    """Tell whether two accuracies count as equal: no significant difference, and at most one point apart."""
    # Rounded, because ten reviews of a thousand are meant to be exactly one point.
    return difference.p_value >= SIGNIFICANCE and round(abs(difference.difference), 9) <= EQUAL_WITHIN


def _choose(candidates: Sequence[Cell], constraints: Constraints) -> Choice:
    best = max(candidates, key=lambda cell: (cell.accuracy, -cell.pace_ms))
    to_best = {cell: compare_accuracy(best, cell) for cell in candidates}
    as_good = [cell for cell in candidates if counts_as_equal(to_best[cell])]
    fastest = min(as_good, key=lambda cell: cell.pace_ms)
    as_fast = [cell for cell in as_good if not fastest.clearly_faster_than(cell)]
    winner = min(as_fast, key=lambda cell: (cell.size_bytes, cell.pace_ms))
    return Choice(winner, best, fastest, list(candidates), to_best, as_good, constraints.doubts(winner.row))


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


def _bundle_and_way(cell: Cell) -> tuple[str, str, str, int]:
    profile = cell.profile
    return profile.bundle, profile.backend, profile.device, profile.threads


def _gains(cell: Cell, reference: Cell) -> bool:
    return cell.clearly_faster_than(reference) or cell.size_bytes < reference.size_bytes
