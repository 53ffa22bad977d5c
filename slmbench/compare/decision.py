"""Which cell to ship on one machine, and why each other one lost.

The rule, in order:

1. Left out: forms the export refused; cells evaluated on other reviews or timed otherwise (scenario, rate of
   arrival or bound, size of batches) than most, and where there are as many, than one review at a time; cells
   that break a limit; forms that gain nothing over fp32 of their bundle.
2. The most accurate of the rest is the reference. A cell cannot be told apart from it when the exact McNemar
   test on the same reviews gives p >= 0.05 *and* the accuracies are within one point. Both are needed: the
   test alone lets a large loss pass on few reviews, the point alone a small but certain loss on many.
3. Of those, the fastest wins, by median latency, offline by reviews a second, and where the highest rate was
   sought by that; among cells whose intervals overlap with it, the smallest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slmbench.compare import sentences
from slmbench.compare.axes import costs
from slmbench.compare.cells import timed_as
from slmbench.compare.pareto import dominates, pareto_front
from slmbench.statistics import SIGNIFICANCE, PairedDifference, paired_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.compare.cells import Cell
    from slmbench.compare.constraints import Constraints

#: Largest loss of accuracy, as a fraction, that counts as none when the test finds no difference.
EQUAL_WITHIN = 0.01

REFERENCE_FORM = "fp32"


@dataclass
class Decision:
    """The decision for the cells of one machine."""

    recommended: Cell | None
    why: str
    front: list[Cell]
    #: Names of the axes that the front is over.
    front_axes: list[str]
    #: Cells that cannot be compared with those decided between: other reviews, or timed otherwise.
    apart: list[Cell]
    #: Why each cell that is not recommended lost.
    rejected: list[tuple[Cell, str]] = field(default_factory=list)


def compare_accuracy(first: Cell, second: Cell) -> PairedDifference:
    """Compare two cells review by review: accuracy of the second minus that of the first.

    Raises:
        ValueError: They were not evaluated on the same reviews.
    """
    if first.test_hash != second.test_hash:
        raise ValueError("a paired test needs the same reviews")
    return paired_difference(first.right, second.right)


def cannot_be_told_apart(difference: PairedDifference) -> bool:
    """Tell whether two accuracies count as equal: no significant difference, and at most one point apart."""
    # Rounded, because ten reviews of a thousand are meant to be exactly one point.
    return difference.p_value >= SIGNIFICANCE and round(abs(difference.difference), 9) <= EQUAL_WITHIN


def decide(cells: Sequence[Cell], constraints: Constraints, axes: Sequence[str] | None = None) -> Decision:
    """Decide for the cells of one machine.

    Args:
        cells: Measured cells of one machine, at least one.
        constraints: The limits of the deployment.
        axes: What the front is over; ``None`` as :func:`front_of` says. The recommendation does not depend on it.

    Returns:
        The recommended cell, if any, and a reason for every other one.
    """
    lost: dict[Cell, str] = {
        cell: sentences.refused(cell.profile.reason) for cell in cells if not cell.profile.accepted
    }
    accepted = [cell for cell in cells if cell not in lost]
    comparable = _comparable(accepted)
    apart = [cell for cell in accepted if cell not in comparable]
    lost |= {cell: sentences.incomparable(cell, comparable[0]) for cell in apart}
    front, axes = front_of(comparable, axes)
    for cell in comparable:
        violations = constraints.violations(cell.row) + sentences.unkept(cell)
        if violations:
            lost[cell] = "; ".join(violations)
    within = [cell for cell in comparable if cell not in lost]
    for cell in within:
        reference = _fp32_of(cell, within)
        if reference and not _gains(cell, reference):
            lost[cell] = sentences.no_gain(cell, reference)
    candidates = [cell for cell in within if cell not in lost]
    limits = constraints.as_dict()
    left_out = sentences.left_out(apart, comparable)
    if not candidates:
        why = sentences.nothing_left(limits, [cell.row for cell in comparable]) + left_out
        return Decision(None, why, front, axes, apart, [(cell, lost[cell]) for cell in cells])

    best = max(candidates, key=lambda cell: (cell.accuracy, -cell.pace_ms))
    to_best = {cell: compare_accuracy(best, cell) for cell in candidates}
    equal = [cell for cell in candidates if cannot_be_told_apart(to_best[cell])]
    fastest = min(equal, key=lambda cell: cell.pace_ms)
    as_fast = [cell for cell in equal if not fastest.clearly_faster_than(cell)]
    winner = min(as_fast, key=lambda cell: (cell.size_bytes, cell.pace_ms))
    for cell in candidates:
        if cell in equal:
            lost[cell] = sentences.equal_but_loses(cell, winner, best, to_best)
        else:
            dominator = _dominator(cell, candidates, axes)
            lost[cell] = sentences.less_accurate(
                cell,
                winner,
                best,
                to_best[cell],
                dominator,
                significant=to_best[cell].p_value < SIGNIFICANCE,
            )
    others = [(cell, to_best[cell]) for cell in sorted(equal, key=lambda cell: cell.pace_ms) if cell is not winner]
    why = sentences.won(
        winner, best, fastest, to_best[winner], others, candidates=len(candidates), limited=bool(limits)
    )
    if doubt := constraints.doubt(winner.row):
        why = f"{why}; {doubt}"
    rejected = [(cell, lost[cell]) for cell in cells if cell is not winner]
    return Decision(winner, why + left_out, front, axes, apart, rejected)


def front_of(cells: Sequence[Cell], axes: Sequence[str] | None = None) -> tuple[list[Cell], list[str]]:
    """Return the cells on the Pareto front, and the axes that it is over.

    Args:
        cells: Cells of one machine, evaluated on the same reviews.
        axes: Names of ``slmbench.compare.axes``. ``None`` means accuracy and speed: p95 when every cell's samples
            support it, p50 otherwise, one statistic for all; throughput where speed is not judged by latency.

    Returns:
        The front and the axes. A cell of which an axis is not known takes no part.
    """
    if axes is None:
        supported = all(cell.row.p95_ms is not None for cell in cells)
        latency = "p95" if supported else "p50"
        axes = ["accuracy", latency if all(cell.by_latency for cell in cells) else "throughput"]
    known = [(cell, cost) for cell in cells if (cost := costs(cell.row, axes)) is not None]
    on_front = pareto_front([cost for _, cost in known])
    return [cell for (cell, _), kept in zip(known, on_front, strict=True) if kept], list(axes)


def _comparable(cells: Sequence[Cell]) -> list[Cell]:
    """Return the largest group of the same reviews timed alike; of equal ones single reviews, then the newest."""
    group_of = {cell: (cell.test_hash, timed_as(cell.profile)) for cell in cells}
    groups = Counter(group_of.values())
    if not groups:
        return []
    newest = {group: max(cell.profile.created for cell in cells if group_of[cell] == group) for group in groups}
    chosen = max(groups, key=lambda group: (groups[group], group[1] == "single", newest[group], group))
    return [cell for cell in cells if group_of[cell] == chosen]


def _fp32_of(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    """Return the fp32 form of the same bundle, run the same way."""
    if cell.profile.form == REFERENCE_FORM:
        return None
    return next(
        (
            other
            for other in cells
            if other.profile.form == REFERENCE_FORM and _bundle_and_way(other) == _bundle_and_way(cell)
        ),
        None,
    )


def _bundle_and_way(cell: Cell) -> tuple[str, str, str, int]:
    profile = cell.profile
    return profile.bundle, profile.backend, profile.device, profile.threads


def _gains(cell: Cell, reference: Cell) -> bool:
    return cell.clearly_faster_than(reference) or cell.size_bytes < reference.size_bytes


def _dominator(cell: Cell, cells: Sequence[Cell], axes: Sequence[str]) -> Cell | None:
    """Return the most accurate cell that is nowhere worse than this one and somewhere better."""
    own = costs(cell.row, axes)
    if own is None:
        return None
    better = [other for other in cells if (cost := costs(other.row, axes)) is not None and dominates(cost, own)]
    return max(better, key=lambda other: other.accuracy, default=None)
