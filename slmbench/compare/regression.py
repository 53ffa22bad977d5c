"""Whether rows got slower or less accurate than a baseline of earlier measurements: what makes a build fail.

Both limits are gates with three results (:func:`slmbench.statistics.verdicts.gate`): they pass when the loss is below
the limit with 95 % confidence, fail when it is above it with that confidence, and are inconclusive otherwise; then
the report says how much more would settle it. Time is the median latency (offline the time that a review has in a
pass), tested by the log ratio; accuracy is compared on the same test rows.

What cannot be compared does not pass: a limit that was set and cannot be checked fails, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import counted, limit, listing, minutes, p_value, percent, points, times
from slmbench.compare.cells import Cell, name_cells, seeds_as_one
from slmbench.compare.pairs import accuracy_difference, difference, disagreement, in_same_session, time_bounds
from slmbench.compare.reading import load_profiles, newest_of_each_cell
from slmbench.records import ProfileRecord, Row
from slmbench.records.comparison import RegressionCheck, RegressionReport
from slmbench.statistics import PairedDifference
from slmbench.statistics.verdicts import Bounds, processes_for_gate, reviews_to_gate
from slmbench.statistics.verdicts import gate as gate_of


@dataclass(frozen=True)
class RegressionGate:
    """What rows are compared with, and how much worse they may be.

    Attributes:
        against: A profile or a folder of profiles, such as those of an earlier commit: each row is compared with the
            one of the same bundle and form. Or the label of a row ("minilm-l6 int8"): every other row of its machine
            and scenario is compared with it.
        fail_if_slower: Largest allowed excess of the median latency, as a fraction; ``None`` sets no limit.
        fail_if_worse: Largest allowed loss of accuracy, as a fraction; ``None`` sets no limit.
    """

    against: str
    fail_if_slower: float | None = None
    fail_if_worse: float | None = None

    @cached_property
    def profiles(self) -> list[ProfileRecord] | None:
        """The profiles at the path, as they were when first asked for; ``None`` where it is a row.

        Raises:
            SlmbenchError: One of them is damaged, or there is none.
        """
        return load_profiles([Path(self.against)]) if Path(self.against).exists() else None


class _Pair(NamedTuple):
    """A row with what it is compared with: a cell that was timed alike, and one for the accuracy."""

    cell: Cell
    timed: Cell | None
    answered: Cell


def check_regressions(gate: RegressionGate, cells: Sequence[Cell], failed: Sequence[Row] = ()) -> RegressionReport:
    """Compare rows with a baseline.

    Args:
        gate: What to compare with, and the limits.
        cells: Measured cells of any machines.
        failed: Rows that could not be measured, each with its reason.

    Returns:
        One check a row that has a counterpart, what fails the limits, and what was not compared.

    Raises:
        UsageError: The baseline is neither a path nor a row.
        SlmbenchError: A profile of it is damaged, or no row has a counterpart in it.
    """
    known = gate.profiles
    lost = [row for row in failed if known is None or _was_measured(row, known)]
    if known is not None:
        pairs, notes = _counterparts(cells, seeds_as_one(name_cells(newest_of_each_cell(known))))
    elif any(f"{gate.against} ".startswith(f"{row.label} ") for row in failed):
        pairs, notes = [], []
    else:
        pairs, notes = _with_row(gate.against, cells)
    if not pairs and not lost:
        raise SlmbenchError(
            f"no row has a counterpart in the baseline {gate.against}: name one with a profile of the same bundle"
            " and form, or a row"
        )
    checks, failures, inconclusive = [], [], []
    for pair in pairs:
        check, failing, doubtful = _check(pair, gate)
        checks.append(check)
        failures += failing
        inconclusive += doubtful
    unmeasured = [_not_measured(row) for row in lost]
    limited = gate.fail_if_slower is not None or gate.fail_if_worse is not None
    return RegressionReport(
        against=gate.against,
        fail_if_slower=gate.fail_if_slower,
        fail_if_worse=gate.fail_if_worse,
        checks=checks,
        failures=failures + (unmeasured if limited else []),
        inconclusive=inconclusive,
        notes=notes + ([] if limited else unmeasured),
    )


def _counterparts(cells: Sequence[Cell], others: Sequence[Cell]) -> tuple[list[_Pair], list[str]]:
    """Pair each cell with the baseline's cell of the same bundle and form, best one that was timed alike."""
    pairs, notes = [], []
    for cell in cells:
        same = [other for other in others if _form_of(other) & _form_of(cell)]
        # Two bundles may have one name; the profile's name, which has the folder's, distinguishes them.
        same.sort(key=lambda other: other.profile.name != cell.profile.name)
        if not same:
            notes.append(f"{cell.label} is new: the baseline has no such bundle and form")
            continue
        timed = next((other for other in same if _way_of(other) == _way_of(cell)), None)
        pairs.append(_Pair(cell, timed, timed or same[0]))
    here = {form for cell in cells for form in _form_of(cell)}
    lost = [other for other in others if not _form_of(other) & here]
    notes += [f"{other.label} of the baseline was not measured here" for other in lost]
    return pairs, notes


def _with_row(label: str, cells: Sequence[Cell]) -> tuple[list[_Pair], list[str]]:
    """Pair every cell with the named one of its machine and scenario."""
    named = [cell for cell in cells if cell.label == label] or [cell for cell in cells if cell.row.name == label]
    place = {(cell.machine, cell.timed_as): cell for cell in named}
    labels = list(dict.fromkeys(cell.label for cell in cells))
    if not named:
        raise UsageError(
            f"the baseline '{label}' is no profile, no folder and no row: the rows are {listing(labels)}"
        )
    if len(place) < len(named):
        several = listing([cell.label for cell in named])
        raise UsageError(f"the baseline '{label}' could be several rows: write out one of {several}")
    pairs, notes = [], []
    for cell in cells:
        if cell in named:
            continue
        timed = place.get((cell.machine, cell.timed_as))
        if timed is None:
            notes.append(f"{cell.label} is not compared with {label}: the machine or the scenario is another")
            continue
        pairs.append(_Pair(cell, timed, timed))
    return pairs, notes


def _was_measured(row: Row, profiles: Sequence[ProfileRecord]) -> bool:
    """Tell whether a baseline has what a failed row should have been; one without a form failed with all of them."""
    return any(profile.bundle == row.name and row.form in (None, profile.form) for profile in profiles)


def _form_of(cell: Cell) -> set[tuple[str, str]]:
    """Return bundle and form of every seed."""
    return {(bundle, cell.profile.form) for bundle in cell.bundles}


def _way_of(cell: Cell) -> tuple[object, ...]:
    profile, fed = cell.profile, cell.profile.corpus
    texts = fed.test_hash, fed.inputs
    return profile.backend, profile.device, profile.threads, cell.timed_as, texts, cell.machine


def _check(pair: _Pair, limits: RegressionGate) -> tuple[RegressionCheck, list[str], list[str]]:
    """Compare one row with its counterpart: the check, what fails, and what the measurements do not settle."""
    cell, failures, inconclusive = pair.cell, [], []
    bounds = time_bounds(pair.timed, cell) if pair.timed else None
    slower = worse = None
    speed = _speed(cell, pair.timed, bounds) if pair.timed else _timed_differently(cell, pair.answered)
    if (most := limits.fail_if_slower) is not None:
        if bounds is None or pair.timed is None:
            failures.append(_unchecked(cell, speed))
        else:
            slower = gate_of(bounds, math.log1p(most))
            if slower == "fail":
                failures.append(_over_limit(cell, speed, most, "%"))
            elif slower == "inconclusive":
                more = f"{minutes(_minutes_to_settle(pair.timed, cell, math.log1p(most), bounds.value))} of measuring"
                if cell.profile.measured_in and not in_same_session([pair.timed, cell]):
                    more += " both in one session (slmbench versus)"
                inconclusive.append(_unsettled(cell, speed, most, "%", more))
    accuracy_of, found = None, None
    if cell.test_hash != pair.answered.test_hash:
        accuracy = _tested_on_others(cell, pair.answered)
    else:
        accuracy_of = accuracy_difference(pair.answered, cell)
        found = difference(pair.answered, cell).bounds
        accuracy = _accuracy(cell, pair.answered, accuracy_of)
    if (most := limits.fail_if_worse) is not None:
        if found is None:
            failures.append(_unchecked(cell, accuracy))
        else:
            worse = gate_of(found, most)
            if worse == "fail":
                failures.append(_over_limit(cell, accuracy, most, "points"))
            elif worse == "inconclusive":
                needed = reviews_to_gate(disagreement(pair.answered, cell), most, found.value)
                more_reviews = None if needed is None else counted(max(1, needed - len(cell.right)), "test review")
                inconclusive.append(_unsettled(cell, accuracy, most, "points", more_reviews))
    check = RegressionCheck(
        row=cell.label,
        machine=cell.machine,
        baseline=pair.answered.label,
        baseline_profile=pair.answered.profile.name,
        p50_ratio=None if pair.timed is None else cell.pace_ms / pair.timed.pace_ms,
        p50_ratio_ci95=bounds and (math.exp(-bounds.ci95[1]), math.exp(-bounds.ci95[0])),
        accuracy=accuracy_of,
        slower=slower == "fail",
        worse=worse == "fail",
        slower_gate=slower,
        worse_gate=worse,
        sentence=f"{cell.label} {speed}; it {accuracy}",
    )
    return check, failures, inconclusive


def _minutes_to_settle(baseline: Cell, cell: Cell, most: float, value: float) -> float:
    """Return how many more minutes of both would settle a gate on time, if the ratio is what was measured.

    From the spread of the processes' medians: more samples of the same processes would not show more.
    """
    spread, each_s = 0.0, 0.0
    for one in (baseline, cell):
        medians = np.log(one.profile.latency.process_p50_ms)
        spread += float(np.var(medians, ddof=1)) if len(medians) > 1 else 0.05**2
        each_s += sum(one.profile.latency.samples_ms) / 1e3 / len(medians)
    have = min(len(one.profile.latency.processes_ms) for one in (baseline, cell))
    more = max(1, processes_for_gate(math.sqrt(spread), most, value) - have)
    return more * each_s / 60


def _timed_differently(cell: Cell, other: Cell) -> str:
    """Say why the latency of a cell cannot be compared with that of the baseline."""
    if _way(cell) != _way(other):
        ways = f"was timed on {_way(cell)}, the baseline on {_way(other)}"
    else:
        ways = f"was timed on {_fed(cell)}, the baseline on {_fed(other)}"
    return f"{ways}, so their latencies are not compared: measure the baseline here in the same way"


def _tested_on_others(cell: Cell, other: Cell) -> str:
    """Say why the accuracy of a cell cannot be compared with that of the baseline."""
    return (
        f"was tested on other reviews ({cell.test_hash[:8]}) than the baseline ({other.test_hash[:8]}), so their"
        " accuracies are not compared: export or profile both with the same test rows"
    )


def _speed(cell: Cell, other: Cell, bounds: Bounds | None) -> str:
    """Say how a cell's speed compares with that of a baseline that was timed alike.

    ``bounds`` are of the logarithm of the baseline's time over the cell's; ``None`` where that is not known.
    """
    ratio = cell.pace_ms / other.pace_ms
    medians = f"{'p50 ' if cell.by_latency else ''}{cell.pace} against {other.pace} of {_baseline(cell, other)}"
    if bounds is None:
        return f"has no interval of its speed to compare ({medians})"
    low, high = math.exp(-bounds.ci95[1]), math.exp(-bounds.ci95[0])
    numbers = f"({medians}; ratio {ratio:.3f}, 95 % interval {low:.3f}–{high:.3f})"
    if low > 1:
        return f"is {times(ratio, 'slower')} {numbers}"
    if high < 1:
        return f"is {times(1 / ratio, 'faster')} {numbers}"
    return f"is not shown to be slower or faster {numbers}"


def _accuracy(cell: Cell, other: Cell, difference: PairedDifference) -> str:
    """Say how a cell's accuracy compares with the baseline's on the same reviews."""
    if not difference.only_first_right + difference.only_second_right:
        return f"is right on the same reviews ({percent(cell.accuracy)})"
    low, high = (f"{end * 100:+.1f}" for end in difference.ci95)
    numbers = (
        f"({percent(cell.accuracy)} against {percent(other.accuracy)} of {_baseline(cell, other)}, 95 % interval of"
        f" the difference {low} to {high} points, {p_value(difference.p_value)})"
    )
    if difference.difference == 0:
        return f"is as accurate {numbers}"
    return f"is {points(difference.difference)} {'more' if difference.difference > 0 else 'less'} accurate {numbers}"


def _over_limit(cell: Cell, predicate: str, most: float, unit: str) -> str:
    """Say that a cell fails a limit of the baseline; ``unit`` is "%" or "points"."""
    return f"{cell.label} {predicate}; the limit is {limit(most * 100)} {unit}"


def _unchecked(cell: Cell, predicate: str) -> str:
    """Say that a limit of the baseline could not be checked."""
    return f"{cell.label} {predicate}; the limit cannot be checked"


def _unsettled(cell: Cell, predicate: str, most: float, unit: str, more: str | None) -> str:
    """Say that the measurements do not settle a limit, and what would: nothing where the limit is 0."""
    what = f"about {more} more would settle it" if more else "no number of reviews can show that nothing is lost"
    return (
        f"{cell.label} {predicate}; whether it keeps the limit of {limit(most * 100)} {unit} is inconclusive: {what}"
    )


def _not_measured(row: Row) -> str:
    """Say that a row cannot be compared with the baseline because it failed."""
    return f"{row.label} could not be measured ({row.failure}), so no limit of the baseline can be checked"


def _way(cell: Cell) -> str:
    profile = cell.profile
    return f"{cell.machine_name} ({profile.backend}, {counted(profile.threads, 'thread')}, {cell.timed_as})"


def _fed(cell: Cell) -> str:
    fed = cell.profile.corpus
    return f"{fed.inputs} of {fed.name} ({fed.test_hash[:8]})"


def _baseline(cell: Cell, other: Cell) -> str:
    return "the baseline" if other.label == cell.label else other.label
