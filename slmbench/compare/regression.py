"""Whether rows got slower or less accurate than a baseline of earlier measurements: what makes a build fail.

Slower: the median latency (offline the time that a review has in a pass) is above that of the baseline by more than
the limit, *and* the 95 % interval of the ratio is above 1. Worse: the accuracy on the same test rows is lower by
more than the limit; the answers of a form do not change from run to run, so the difference itself decides, and its
interval and p-value say what it means for reviews not seen.

What cannot be compared does not pass: a limit that was set and cannot be checked fails, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import listing
from slmbench.compare import regression_sentences as sentences
from slmbench.compare.cells import name_cells, newest_of_each_cell
from slmbench.compare.decision import compare_accuracy
from slmbench.compare.reading import load_profiles
from slmbench.records.comparison import RegressionCheck, RegressionReport
from slmbench.statistics import ratio_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.compare.cells import Cell
    from slmbench.records import ProfileRecord, Row


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
        pairs, notes = _counterparts(cells, name_cells(newest_of_each_cell(known)))
    elif any(f"{gate.against} ".startswith(f"{row.label} ") for row in failed):
        pairs, notes = [], []
    else:
        pairs, notes = _with_row(gate.against, cells)
    if not pairs and not lost:
        raise SlmbenchError(
            f"no row has a counterpart in the baseline {gate.against}: name one with a profile of the same bundle"
            " and form, or a row"
        )
    checks, failures = [], []
    for pair in pairs:
        check, broken = _check(pair, gate)
        checks.append(check)
        failures += broken
    unmeasured = [sentences.not_measured(row) for row in lost]
    limited = gate.fail_if_slower is not None or gate.fail_if_worse is not None
    return RegressionReport(
        against=gate.against,
        fail_if_slower=gate.fail_if_slower,
        fail_if_worse=gate.fail_if_worse,
        checks=checks,
        failures=failures + (unmeasured if limited else []),
        notes=notes + ([] if limited else unmeasured),
    )


def _counterparts(cells: Sequence[Cell], others: Sequence[Cell]) -> tuple[list[_Pair], list[str]]:
    """Pair each cell with the baseline's cell of the same bundle and form, best one that was timed alike."""
    pairs, notes = [], []
    for cell in cells:
        same = [other for other in others if _form_of(other) == _form_of(cell)]
        # Two bundles may have one name; the profile's name, which has the folder's, distinguishes them.
        same.sort(key=lambda other: other.profile.name != cell.profile.name)
        if not same:
            notes.append(f"{cell.label} is new: the baseline has no such bundle and form")
            continue
        timed = next((other for other in same if _way_of(other) == _way_of(cell)), None)
        pairs.append(_Pair(cell, timed, timed or same[0]))
    here = {_form_of(cell) for cell in cells}
    notes += [
        f"{other.label} of the baseline was not measured here" for other in others if _form_of(other) not in here
    ]
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
        # A rate that was sought has no interval: which of two is higher is known, not by how much.
        pairs.append(_Pair(cell, timed if cell.highest_rate is None else None, timed))
    return pairs, notes


def _was_measured(row: Row, profiles: Sequence[ProfileRecord]) -> bool:
    """Tell whether a baseline has what a failed row should have been; one without a form failed with all of them."""
    return any(profile.bundle == row.name and row.form in (None, profile.form) for profile in profiles)


def _form_of(cell: Cell) -> tuple[str, str]:
    return cell.profile.bundle, cell.profile.form


def _way_of(cell: Cell) -> tuple[object, ...]:
    profile, fed = cell.profile, cell.profile.corpus
    # At a rate that was sought a slower form has a lower rate, and perhaps the same latency.
    timed = cell.timed_as, cell.highest_rate
    texts = fed.test_hash, fed.inputs
    return profile.backend, profile.device, profile.threads, timed, texts, cell.machine


def _check(pair: _Pair, gate: RegressionGate) -> tuple[RegressionCheck, list[str]]:
    """Compare one row with its counterpart: the check, and a sentence for each limit that it fails."""
    cell, failures = pair.cell, []
    ratio = interval = None
    slower = worse = False
    if pair.timed is None:
        speed = sentences.timed_differently(cell, pair.answered)
    else:
        ratio = cell.pace_ms / pair.timed.pace_ms
        interval = ratio_interval(
            (pair.timed.pace_ms, pair.timed.pace_ci95_ms),
            (cell.pace_ms, cell.pace_ci95_ms),
        )
        beyond = gate.fail_if_slower is not None and ratio > 1 + gate.fail_if_slower
        slower = beyond and interval is not None and interval[0] > 1
        speed = sentences.speed(cell, pair.timed, interval, undecided=beyond and not slower)
    if gate.fail_if_slower is not None and (slower or interval is None):
        failures.append(sentences.over_limit(cell, speed, gate.fail_if_slower, "%", failing=slower))
    difference = None
    if cell.test_hash != pair.answered.test_hash:
        accuracy = sentences.tested_on_others(cell, pair.answered)
    else:
        difference = compare_accuracy(pair.answered, cell)
        worse = gate.fail_if_worse is not None and round(-difference.difference, 9) > gate.fail_if_worse
        accuracy = sentences.accuracy(cell, pair.answered, difference)
    if gate.fail_if_worse is not None and (worse or difference is None):
        failures.append(sentences.over_limit(cell, accuracy, gate.fail_if_worse, "points", failing=worse))
    check = RegressionCheck(
        row=cell.label,
        machine=cell.machine,
        baseline=pair.answered.label,
        baseline_profile=pair.answered.profile.name,
        p50_ratio=ratio,
        p50_ratio_ci95=interval,
        accuracy=difference,
        slower=slower,
        worse=worse,
        sentence=f"{cell.label} {speed}; it {accuracy}",
    )
    return check, failures
