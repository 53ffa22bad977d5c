"""Which cells need not be timed to the end: what nothing could choose any more, or whose time is far from all others.

A form is *dominated* when another one that may be shipped is better in everything a decision asks for: more accurate
on the same test reviews with 95 % confidence (Tango's interval), its 95th percentile below the median of the other,
more reviews a second in batches, and no larger file, memory or cold start. What differs by so much does not change
with the last processes; they would only make the form's own interval narrower. A form that was refused at export
cannot be recommended either.

Where a time is only compared with other times, and with no limit and no earlier measurement, a form is also done when
its processes agree and each other form that may be shipped takes more than twice or less than half its time. Most of
the interval of its median is what sessions differ by (:mod:`slmbench.statistics.sessions`), whatever their number.
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
#: Times differ by more than two sessions do where one is so many times the other.
FAR = 2.0
#: Medians of processes agree when they lie within this share.
ALIKE = 0.05


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

    def medians_ms(self) -> list[float]:
        """Return the median of each process so far (ms)."""
        return [percentile(process, 50) for process in self.measured.latency_ms]


def need_no_more(cells: Mapping[int, TimedSoFar], *, only_order: bool = False) -> dict[int, str]:
    """Return the cells that need not be timed to the end, each with the reason in words.

    Args:
        cells: All cells of one comparison, by number.
        only_order: Whether times are only compared with each other, and with no limit or earlier measurement.
    """
    found = {}
    for number, cell in cells.items():
        if not cell.prepared.accepted:
            found[number] = "it was not accepted at export, so that it cannot be recommended"
            continue
        better = next((one for other, one in cells.items() if other != number and _dominates(one, cell)), None)
        if better is not None:
            found[number] = f"{better.name} is more accurate, faster and no larger, whatever the limits"
    left = {number: cell for number, cell in cells.items() if number not in found}
    for number, cell in left.items() if only_order else ():
        own, others = cell.medians_ms(), [one.medians_ms() for other, one in left.items() if other != number]
        is_far = all(min(one) > FAR * max(own) or FAR * max(one) < min(own) for one in others)
        if is_far and max(own) <= (1 + ALIKE) * min(own):
            found[number] = "its processes agree, and no other form that may be shipped takes about as long"
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
