"""When a cascade pays beside its large member, by the latencies of the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence

from slmbench.cascade.thresholds import break_even, cascade_time
from slmbench.common.formatting import milliseconds, percent
from slmbench.compare.cells import Cell
from slmbench.records.cascade import MemberIdentity


def cascade_facts(cells: Sequence[Cell]) -> list[str]:
    """Say of each cascade whose members are rows too when it stops being faster than its large member.

    Args:
        cells: Measured cells of any machines.

    Returns:
        One sentence a cascade.
    """
    facts = []
    several = len({cell.machine for cell in cells}) > 1
    for cell in cells:
        made_of = cell.profile.cascade
        if made_of is None or cell.profile.scenario != "single" or not 0 < made_of.routed < 1:
            continue
        small, large = (member_row(member, cell, cells) for member in (made_of.small, made_of.large))
        if small is not None and large is not None:
            where = f"{cell.machine_name}: " if several else ""
            facts.append(where + _sentence(cell, small, large, made_of.routed))
    return facts


def member_row(member: MemberIdentity, cascade: Cell, cells: Sequence[Cell]) -> Cell | None:
    """Find the row of a cascade's member that was tested and timed as the cascade was.

    Args:
        member: Which form of which bundle it is.
        cascade: The cascade.
        cells: Rows of any machines.

    Returns:
        The row; of several, the one under the cascade's backend. ``None`` where there is none.
    """
    rows = [
        cell
        for cell in cells
        if (cell.profile.bundle, cell.profile.form) == (member.name, member.form)
        and cell.profile.form_sha256 in (None, member.sha256)
        and cell.test_hash == cascade.test_hash
        and _timed_alike(cell, cascade)
    ]
    return min(rows, key=lambda cell: cell.profile.backend != cascade.profile.backend, default=None)


def _timed_alike(member: Cell, cascade: Cell) -> bool:
    """Tell whether a row was timed as a cascade was; what numpy runs has one thread beside any number."""
    one, other = member.profile, cascade.profile
    return (one.threads == other.threads or one.backend == "numpy") and (
        (member.machine, one.device, one.scenario) == (cascade.machine, other.device, other.scenario)
    )


def _sentence(cascade: Cell, small: Cell, large: Cell, routed: float) -> str:
    """Compute with means: of a mixture of two latencies only those add up."""
    small_ms, large_ms = small.profile.latency.mean_ms, large.profile.latency.mean_ms
    limit = break_even(small_ms, large_ms)
    names = f"{small.label} ({milliseconds(small_ms)} a review on average)"
    names += f" and {large.label} ({milliseconds(large_ms)})"
    computed = milliseconds(cascade_time(small_ms, large_ms, routed))
    taken = f"{computed} a review computed, {milliseconds(cascade.profile.latency.mean_ms)} measured"
    if limit <= 0:
        return (
            f"{cascade.label} is never faster than its large member: of {names} the small one takes longer; with"
            f" {percent(routed)} of the test reviews routed it takes {taken}"
        )
    verdict = "it routes more" if routed >= limit else "it routes fewer"
    return (
        f"{cascade.label}, which combines {names}, stops being faster than its large member when it routes"
        f" {percent(limit)} of the reviews; {verdict}: {percent(routed)} of the test reviews, {taken}; routing that"
        f" many it pays as long as the small member takes less than {percent(1 - routed)} of the large one's time"
        f" (here {percent(small_ms / large_ms)})"
    )
