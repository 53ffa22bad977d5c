"""Which cells need not be timed to the end: those that no limit, front or margin could choose any more.

A form is *dominated* when another one that may be shipped is better in everything a decision asks for: more accurate
on the same test reviews with 95 % confidence (Tango's interval), its 95th percentile below the median of the other,
more reviews a second in batches, and no larger file, memory or cold start. What differs by so much does not change
with the last processes; they would only make the form's own interval narrower. A form that was refused at export
cannot be recommended either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slmbench.profiling.prepared import PreparedCell
from slmbench.profiling.scenarios import Measured
from slmbench.statistics import percentile
from slmbench.statistics.verdicts import paired_proportions_bounds

#: Processes that every cell is timed in: an interval of their medians is 4.3 standard errors wide to each side with
#: three, 12.7 with two.
MIN_PROCESSES = 3


@dataclass(frozen=True)
class TimedSoFar:
    """A cell whose processes are not all done.

    Attributes:
        name: Bundle and form.
        prepared: What a profile says of it.
        measured: What was measured so far, in at least one process.
    """

    name: str
    prepared: PreparedCell
    measured: Measured


def need_no_more(cells: Mapping[int, TimedSoFar]) -> dict[int, str]:
    """Return the cells that need not be timed to the end, each with the reason in words.

    Args:
        cells: All cells of one comparison, by number.
    """
    found = {}
    for number, cell in cells.items():
        if not cell.prepared.accepted:
            found[number] = "it was not accepted at export, so that it cannot be recommended"
            continue
        better = next((one for other, one in cells.items() if other != number and _dominates(one, cell)), None)
        if better is not None:
            found[number] = f"{better.name} is more accurate, faster and no larger, whatever the limits"
    return found


def _dominates(one: TimedSoFar, other: TimedSoFar) -> bool:
    if not one.prepared.accepted or not (one.measured.passes_s and other.measured.passes_s):
        return False
    fast, slow = one.measured, other.measured
    return (
        max(percentile(process, 95) for process in fast.latency_ms)
        < min(percentile(process, 50) for process in slow.latency_ms)
        and max(map(max, fast.passes_s)) < min(map(min, slow.passes_s))
        and one.prepared.size_bytes <= other.prepared.size_bytes
        and max(_peaks(fast)) <= min(_peaks(slow))
        and _cold(fast) <= _cold(slow)
        and _more_accurate(one.prepared, other.prepared)
    )


def _peaks(measured: Measured) -> list[int]:
    return [own["peak_bytes"] or 0 for own, _ in measured.memory]


def _cold(measured: Measured) -> float:
    return float(np.median([process.cold_ms for process in measured.starts]))


def _more_accurate(one: PreparedCell, other: PreparedCell) -> bool:
    """Return whether a form is right more often on the same reviews, with 95 % confidence."""
    first, second = (
        dict(zip(cell.predictions.row_ids, cell.predictions.right(), strict=True)) for cell in (one, other)
    )
    if first.keys() != second.keys():
        return False
    lost = sum(second[row] and not right for row, right in first.items())
    gained = sum(right and not second[row] for row, right in first.items())
    return paired_proportions_bounds(int(lost), int(gained), len(first)).ci95[0] > 0
