"""Two rows compared: the difference in what decides with its bounds, and the ratio of their times with its own.

Accuracies of single runs have Tango's score intervals for paired proportions. Means over seeds have an interval that
crosses seeds with reviews: the variance over seeds (of each row, or of their differences where both have the same
seeds) plus that over reviews, with Satterthwaite's degrees of freedom, as in reader studies (Obuchowski & Rockette,
*Communications in Statistics* 24, 1995). Other metrics are compared by the paired bootstrap over reviews.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from slmbench.compare.cells import Cell
from slmbench.compare.constraints import DecisionRule
from slmbench.records.sessions import is_same_work
from slmbench.records.versus import VersusRecord
from slmbench.statistics import METRICS, PairedDifference, paired_difference, ratio_interval
from slmbench.statistics.intervals import Estimate
from slmbench.statistics.resampling import over_rows, over_seeds
from slmbench.statistics.sessions import USUAL, deviation_between, ratio_over_blocks
from slmbench.statistics.verdicts import (
    Bounds,
    Verdict,
    paired_proportions_bounds,
    reviews_to_settle,
    student_bounds,
    student_p_value,
    verdict,
)

#: Half the width of a 95 % interval of the normal distribution, in standard deviations.
Z95 = 1.96
#: Width of a 90 % interval over that of a 95 % interval, of the normal distribution. Student's is narrower still.
_NARROWER = 1.6449 / Z95


class Difference(NamedTuple):
    """The second row minus the first in what decides, positive where the second is better; and its p-value."""

    bounds: Bounds
    p_value: float


def difference(first: Cell, second: Cell, metric: str = "accuracy") -> Difference:
    """Compare two cells on the same reviews.

    Args:
        first: What is compared with.
        second: What is compared.
        metric: Name of the metric.

    Raises:
        ValueError: They were not evaluated on the same reviews.
    """
    if first.test_hash != second.test_hash:
        raise ValueError("a paired test needs the same reviews")
    if metric != "accuracy":
        return _by_bootstrap(first, second, metric)
    if first.seeds == second.seeds == 1:
        found = paired_difference(first.right, second.right)
        only = found.only_first_right, found.only_second_right
        return Difference(paired_proportions_bounds(*only, len(first.right)), found.p_value)
    return _crossed(first, second)


def accuracy_difference(first: Cell, second: Cell) -> PairedDifference:
    """Return the accuracy of the second minus that of the first, for a record.

    Where rows are means over seeds, the reviews that only one gets right are those of an average seed.

    Raises:
        ValueError: They were not evaluated on the same reviews.
    """
    found = difference(first, second)
    one, other = first.right, second.right
    return PairedDifference(
        difference=found.bounds.value,
        ci95=found.bounds.ci95,
        p_value=found.p_value,
        only_first_right=round(float((one * (1 - other)).sum())),
        only_second_right=round(float((other * (1 - one)).sum())),
    )


def over_a_constant(cell: Cell, right: np.ndarray) -> Bounds:
    """Compare a cell's accuracy with answers that do not depend on a seed, such as always the most frequent label.

    Args:
        cell: The cell.
        right: Whether these answers are right on each review, in the order of the row ids, shape (n,).
    """
    if cell.seeds == 1:
        first, second = right.astype(bool), cell.right.astype(bool)
        only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
        return paired_proportions_bounds(only_first, only_second, len(first))
    gain = cell.right - right
    return student_bounds(float(gain.mean()), [over_rows(gain), over_seeds(cell.rights.mean(1))])


def time_bounds(first: Cell, second: Cell) -> Bounds | None:
    """Return the logarithm of the first's time over the second's, positive where the second is faster.

    Where the two were measured alternately (``slmbench versus``), it is the ratio found there. Where they were timed
    in the same blocks, it is that of the blocks' ratios. Otherwise it is computed from their own intervals, which
    allow for other sessions. Where a row has too few samples for an interval, the shortest and the longest sample
    take its place. For a rate that was searched in a single process it is not known: ``None``.
    """
    paired = versus_of(first, second)
    if paired is not None and (bounds := paired.ratio.bounds()) is not None:
        return bounds if paired.first.sha256 == second.profile.form_sha256 else turned(bounds)
    if any(cell.highest_rate is not None and cell.pace_ci95_ms is None for cell in (first, second)):
        return None
    return _over_blocks(first, second) or _with_shift(
        bounds_of_times((first.pace_ms, first.pace_interval), (second.pace_ms, second.pace_interval)),
        conditions_shift(first, second),
    )


def versus_of(first: Cell, second: Cell) -> VersusRecord | None:
    """Return the newest record of ``versus`` of two cells that is not older than their profiles."""
    forms = {first.profile.form_sha256, second.profile.form_sha256}
    if len(forms) < 2:
        return None
    since = max(first.profile.created, second.profile.created)
    found = [one for one in first.versus if {one.first.sha256, one.second.sha256} == forms and one.created >= since]
    return found[-1] if found else None


def in_same_session(cells: Sequence[Cell]) -> bool:
    """Return whether all were timed in turns: effects of the session on all of them then cancel."""
    ids = [{session.id for session in cell.profile.measured_in} for cell in cells]
    return bool(set.intersection(*ids))


def conditions_shift(first: Cell, second: Cell) -> float:
    """Return by how much the machine differed between two cells' sessions, as a logarithm of the sentinel's times.

    It is 0 where they share a session, where it is within the spread of this machine's sessions (99 %), and in
    records without a sentinel. Otherwise the two were not measured under like conditions: other hosts, perhaps, that
    have one name.
    """
    one, other = first.profile, second.profile
    spreads = [record.latency.spread for record in (one, other) if record.latency.spread is not None]
    if in_same_session([first, second]) or len(spreads) < 2 or not (one.measured_in and other.measured_in):
        return 0.0
    times = [np.median([session.sentinel_ms for session in record.measured_in]) for record in (one, other)]
    shift = abs(math.log(times[0] / times[1]))
    usual = max(deviation_between(math.sqrt(2) * spread.deviation, spread.freedom, 1, USUAL) for spread in spreads)
    return shift if shift > usual else 0.0


def _over_blocks(first: Cell, second: Cell) -> Bounds | None:
    """Return the bounds over the blocks in which both were timed, around the ratio of what speed is judged by."""
    common = [block for block in first.pace_by_block if block in second.pace_by_block]
    spread = first.profile.latency.spread
    if not common or spread is None:
        return None
    pairs = [(first.pace_by_block[block], second.pace_by_block[block]) for block in common]
    found = ratio_over_blocks(
        [one for (one, _), _ in pairs],
        [other for _, (other, _) in pairs],
        [number for (_, number), _ in pairs],
        spread,
        same_work=is_same_work(first.profile, second.profile),
    )
    return found and _moved(found, math.log(first.pace_ms / second.pace_ms) - found.value)


def _moved(bounds: Bounds, by: float) -> Bounds:
    (low, high), (inner_low, inner_high) = bounds.ci95, bounds.ci90
    return Bounds(bounds.value + by, (low + by, high + by), (inner_low + by, inner_high + by))


def turned(bounds: Bounds) -> Bounds:
    """Return the bounds of the opposite difference."""
    (low, high), (inner_low, inner_high) = bounds.ci95, bounds.ci90
    return Bounds(-bounds.value, (-high, -low), (-inner_high, -inner_low))


def _with_shift(bounds: Bounds | None, shift: float) -> Bounds | None:
    if bounds is None or not shift:
        return bounds
    (low, high), (inner_low, inner_high) = bounds.ci95, bounds.ci90
    return Bounds(bounds.value, (low - shift, high + shift), (inner_low - shift, inner_high + shift))


def bounds_of_times(first: Estimate, second: Estimate) -> Bounds | None:
    """Return :func:`time_bounds` of two times and their 95 % intervals; ``None`` where one has none."""
    interval = ratio_interval(second, first)
    if interval is None:
        return None
    value = math.log(first[0] / second[0])
    low, high = (math.log(end) for end in interval)
    narrow = value - (value - low) * _NARROWER, value + (high - value) * _NARROWER
    return Bounds(value, (low, high), narrow)


def speed_verdict(first: Cell, second: Cell, margin: float) -> Verdict:
    """Return how fast the second is compared with the first.

    Args:
        first: What is compared with.
        second: What is compared.
        margin: Largest excess of time that counts as none, as a fraction.
    """
    if _is_same_program(first, second):
        return "equivalent"
    bounds = time_bounds(first, second)
    if bounds is not None:
        return verdict(bounds, math.log1p(margin))
    # Rates that were searched in one process: each was verified, and no interval is known.
    if abs(math.log(first.pace_ms / second.pace_ms)) < math.log1p(margin):
        return "equivalent"
    return "better" if second.pace_ms < first.pace_ms else "worse"


def _is_same_program(first: Cell, second: Cell) -> bool:
    """Return whether two cells run the same file in the same way: no measurement tells them apart."""
    one, other = (
        (cell.profile.form_sha256, cell.profile.backend, cell.profile.device, cell.profile.threads, cell.timed_as)
        for cell in (first, second)
    )
    return first.profile.form_sha256 is not None and first.machine == second.machine and one == other


def disagreement(first: Cell, second: Cell) -> float:
    """Return on what share of reviews exactly one of two cells is right, over their seeds."""
    one, other = first.rights.mean(0), second.rights.mean(0)
    return float((one * (1 - other) + other * (1 - one)).mean())


def reviews_needed(first: Cell, second: Cell, rule: DecisionRule, within: float) -> int:
    """Return how many test reviews would decide between two cells, if their difference is what was measured.

    For metrics other than accuracy it follows from the width of the interval, which shrinks with the square root of
    the number of reviews.
    """
    bounds = difference(first, second, rule.metric).bounds
    count = len(first.right)
    deviation = (bounds.ci95[1] - bounds.ci95[0]) / (2 * Z95) * count**0.5
    return max(count + 1, reviews_to_settle(deviation**2 + bounds.value**2, within, bounds.value))


def _crossed(first: Cell, second: Cell) -> Difference:
    gain = second.right - first.right
    if first.bundles == second.bundles:
        seeds = [over_seeds(second.rights.mean(1) - first.rights.mean(1))]
    else:
        seeds = [over_seeds(cell.rights.mean(1)) for cell in (first, second) if cell.seeds > 1]
    parts = [over_rows(gain), *seeds]
    value = float(gain.mean())
    return Difference(student_bounds(value, parts), student_p_value(value, parts))


def _by_bootstrap(first: Cell, second: Cell, metric: str) -> Difference:
    """Compare on the same bootstrap samples; seeds of a cell are resampled with them."""
    one, other = first.metric_replays(metric), second.metric_replays(metric)
    sign = 1 if METRICS[metric].better == "more" else -1
    value = sign * (second.value(metric) - first.value(metric))
    gains = sign * (other - one)
    wide, narrow = (
        (float(low), float(high)) for low, high in (np.nanpercentile(gains, ends) for ends in ((2.5, 97.5), (5, 95)))
    )
    sides = float(np.mean(gains <= 0)), float(np.mean(gains >= 0))
    return Difference(Bounds(value, wide, narrow), max(min(1.0, 2 * min(sides)), 1 / len(gains)))
