"""When a cascade pays beside its large member, by the times of the rows themselves.

Which rows are the members is read off their answers: a cascade says of every review what its small member says, or,
where that is less sure than the threshold, what its large member says. That also tells the share it routes.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slmbench.cascade.thresholds import break_even, cascade_time
from slmbench.common.formatting import milliseconds, percent
from slmbench.compare.caveats import CASCADE_METHOD
from slmbench.compare.cells import machine_name, machine_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.compare.cells import Cell

#: Largest difference of two probabilities that count as the same answer: records keep six decimals, and another
#: processor rounds otherwise.
_SAME = 1e-3


class Members(NamedTuple):
    """The rows that a cascade is made of, and the share of the test reviews that it routes to the large one."""

    small: Cell
    large: Cell
    routed: float


def cascade_facts(cells: Sequence[Cell]) -> list[str]:
    """Say of each cascade whose members are rows too when it stops being faster than its large member.

    Args:
        cells: Measured cells of any machines.

    Returns:
        One sentence a cascade.
    """
    facts = []
    several = len({machine_of(cell.profile) for cell in cells}) > 1
    for cell in cells:
        if cell.profile.method != CASCADE_METHOD or cell.profile.scenario != "single":
            continue
        alike = [other for other in cells if _alike(other, cell) and other.profile.method != CASCADE_METHOD]
        # Of a member that was measured under several runtimes, the one under the cascade's.
        alike.sort(key=lambda other: other.profile.backend != cell.profile.backend)
        members = members_of(cell, alike)
        if members is not None:
            where = f"{machine_name(cell.profile)}: " if several else ""
            facts.append(where + _sentence(cell, members))
    return facts


def members_of(cascade: Cell, others: Sequence[Cell]) -> Members | None:
    """Find the two rows that a cascade is made of.

    Args:
        cascade: The cascade.
        others: Rows that were measured like it, on the same machine.

    Returns:
        The members; ``None`` where one of them is not among the rows, or where the cascade never asks one of them.
    """
    forms = cascade.profile.form.split("+")
    for small, large in permutations(others, 2):
        if [small.profile.form, large.profile.form] != forms:
            continue
        if not cascade.test_hash == small.test_hash == large.test_hash:
            continue
        routed = _routed(cascade, small, large)
        if routed is not None and 0 < routed.mean() < 1:
            return Members(small, large, float(routed.mean()))
    return None


def _routed(cascade: Cell, small: Cell, large: Cell) -> np.ndarray | None:
    """Return which reviews the large model answered, shape (n,); ``None`` where the two are not the members."""
    labels = cascade.profile.predictions.labels
    said, by_small, by_large = (_probabilities(cell, labels) for cell in (cascade, small, large))
    if said is None or by_small is None or by_large is None:
        return None
    from_small, from_large = ((np.abs(said - answers) <= _SAME).all(1) for answers in (by_small, by_large))
    if from_small.all():
        return None
    # Both answer some reviews alike. Who answered those follows from the threshold, which lies above all reviews
    # that only the large one can have answered.
    sure = by_small.max(1)
    routed: np.ndarray = sure <= sure[~from_small].max()
    return routed if from_small[~routed].all() and from_large[routed].all() else None


def _probabilities(cell: Cell, labels: Sequence[str]) -> np.ndarray | None:
    """Return probabilities of the labels, reviews in the order of their ids, shape (n, labels)."""
    predictions = cell.profile.predictions
    if set(predictions.labels) != set(labels):
        return None
    columns = [predictions.labels.index(label) for label in labels]
    return np.asarray(predictions.probabilities)[np.argsort(predictions.row_ids)][:, columns]


def _alike(member: Cell, cascade: Cell) -> bool:
    """Say whether a row was measured as a cascade was; what numpy runs has one thread beside any number."""
    one, other = member.profile, cascade.profile
    threads = {one.threads, other.threads} if one.backend != "numpy" else {other.threads}
    return len(threads) == 1 and (machine_of(one), one.device, one.scenario) == (
        machine_of(other),
        other.device,
        other.scenario,
    )


def _sentence(cascade: Cell, members: Members) -> str:
    """Reckon with means: of a mixture of two times only those add up."""
    small, large = (member.profile.latency.mean_ms for member in members[:2])
    routed, limit = members.routed, break_even(small, large)
    names = f"{members.small.label} ({milliseconds(small)} a review on average)"
    names += f" and {members.large.label} ({milliseconds(large)})"
    computed = milliseconds(cascade_time(small, large, routed))
    taken = f"{computed} a review by these times, {milliseconds(cascade.profile.latency.mean_ms)} measured"
    if limit <= 0:
        return (
            f"{cascade.label} is never faster than its large member: of {names} the small one takes longer; with"
            f" {percent(routed)} of the test reviews routed it takes {taken}"
        )
    verdict = "it routes more" if routed >= limit else "it routes fewer"
    return (
        f"{cascade.label}, made of {names}, stops being faster than its large member when it routes"
        f" {percent(limit)} of the reviews; {verdict}: {percent(routed)} of the test reviews, {taken}; routing that"
        f" many it pays as long as the small member takes less than {percent(1 - routed)} of the large one's time"
        f" (here {percent(small / large)})"
    )
