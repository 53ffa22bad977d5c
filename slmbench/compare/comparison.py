"""From profiles to a decision: the stage behind ``slmbench compare``, step by step.

From a profile to the recommendation each of eight files is read once: ``reading`` (files to profiles), ``cells``
(profiles to rows), ``constraints`` (limits and margins), ``pairs`` (two rows compared), ``choosing`` (the choice
among candidates), ``decision`` (who is a candidate, what is undecided), ``sentences`` (the reasons in words), and
this one. They look things up in ``machines`` (names), ``outdated`` (profiles that no longer hold), ``quantities``
(what is known of a row) and ``front`` (Pareto; no recommendation depends on it). What stands beside the decision is
needed by none of its steps: ``confirmation`` (the accuracy of the winner on reviews used for nothing else),
``stability`` (the choice replayed), ``cascades``, ``curves``, ``caveats`` and ``regression``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from slmbench.common.formatting import counted, p_value, percent, points
from slmbench.common.progress import SILENT, Progress
from slmbench.compare.cascades import cascade_facts
from slmbench.compare.caveats import caveats, deciding_caveats, deciding_cells
from slmbench.compare.cells import Cell, cells_by_machine, name_cells, seeds_as_one, with_versus
from slmbench.compare.confirmation import confirm, headline
from slmbench.compare.constraints import Constraints, DecisionRule
from slmbench.compare.curves import curves_of
from slmbench.compare.decision import Decision, decide, undecided_pairs
from slmbench.compare.machines import machine_facts
from slmbench.compare.outdated import found_at
from slmbench.compare.pairs import accuracy_difference, versus_of
from slmbench.compare.reading import Measurements, newest_of_each_cell, read_measurements
from slmbench.compare.regression import RegressionGate, check_regressions
from slmbench.compare.sentences import in_replays, qualifications, why_not, why_recommended
from slmbench.compare.stability import stability_of
from slmbench.records import (
    ComparisonRecord,
    MachineDecision,
    ProfileRecord,
    Recommendation,
    Rejection,
    Row,
)
from slmbench.records.comparison import BaselineTest, Confirmation, CorrectedAccuracy
from slmbench.statistics import SIGNIFICANCE


def compare(
    measured: Measurements | str | Path | Sequence[str | Path] | None = None,
    *,
    constraints: Constraints | None = None,
    rule: DecisionRule | None = None,
    pareto: Sequence[str] | None = None,
    baseline: RegressionGate | None = None,
    failures: Sequence[Row] = (),
    unprofiled: Sequence[Row] = (),
    notes: Sequence[str] = (),
    name: str = "comparison",
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    **limits: float | None,
) -> ComparisonRecord:
    """Compare profiles and say which classifier to ship, in which form, and why.

    The sealed answers of a recommended row to the confirmation rows are opened, and the opening is logged in the
    folder of its profile (:mod:`slmbench.compare.confirmation`).

    The newest of several profiles of one cell (bundle, form, backend, device, threads, scenario, machine)
    counts. Unlike machines are never pooled: each has its own front and recommendation.

    Args:
        measured: From :func:`slmbench.compare.read_measurements`, or the paths that it takes. May be empty when
            ``failures`` or ``unprofiled`` are given.
        constraints: Limits that a recommendation must keep, instead of giving them one by one.
        rule: Margins, and the metric that decides; ``None`` means the defaults.
        pareto: Axes of the Pareto front, by name (``slmbench.compare.quantities``); ``None`` means accuracy and
            what was limited, or latency. The recommendation does not depend on them.
        baseline: Earlier measurements that the rows are compared with; what fails is in the record's ``baseline``.
        failures: Cells that could not be measured, each with its reason in ``failure``.
        unprofiled: Classifiers of which only the accuracy is known, each with its reason in ``unprofiled``; they
            are shown and not decided between.
        notes: What has to be read before any number; shown first.
        name: Name of the comparison.
        command: The command line, for the record.
        progress: Told what is going on.
        **limits: Limits by name, as :class:`~slmbench.compare.constraints.Constraints` takes them: ``max_p95_ms=20``.

    Returns:
        The decision. Rows are grouped by machine and sorted by median latency, failures last.

    Raises:
        UsageError: A path or the baseline is not there.
        SlmbenchError: There is no profile, or a file is not one or is damaged.
    """
    constraints, rule = constraints or Constraints(**limits), rule or DecisionRule()
    others = [*unprofiled, *failures]
    if not isinstance(measured, Measurements):
        nothing = others and measured is not None and not measured
        measured = Measurements([]) if nothing else read_measurements(measured, progress)
    profiles = newest_of_each_cell(measured.profiles)
    machines = _machines(measured)
    decided = {machine: decide(group, constraints, pareto, rule) for machine, group in machines.items()}
    decisions = [_machine_decision(machine, decision, measured.folders) for machine, decision in decided.items()]

    cells = [cell for group in machines.values() for cell in group]
    deciding = {cell for decision in decided.values() for cell in deciding_cells(decision)}
    baseline_tests = tfidf_baseline_tests(cells)
    curves, older_curves = curves_of(measured.sweeps)
    older = len(measured.profiles) - len(profiles)
    return ComparisonRecord(
        name=name,
        command=list(command),
        constraints=constraints.as_dict(),
        rule=rule.as_dict(),
        rows=[*(row for decision in decided.values() for row in _rows(decision)), *others],
        pareto=decisions[0].pareto if decisions else [],
        recommended=decisions[0].recommended if decisions else None,
        confirmation=decisions[0].confirmation if decisions else None,
        corrected=decisions[0].corrected if decisions else None,
        rejected=[
            *(rejection for decision in decided.values() for rejection in _rejections(decision)),
            *(_not_measured(row) for row in others),
        ],
        decisions=decisions,
        baseline_tests=baseline_tests,
        cascades=cascade_facts(cells),
        curves=curves,
        notes=[*notes, *measured.notes],
        caveats=[
            *(test.sentence for test in baseline_tests if test.verdict != "better"),
            *_not_beside(decisions, caveats(machines, pareto, deciding)),
            *_versus_sentences(cells),
            *([f"{counted(older, 'older profile')} of cells measured again left out"] if older else []),
            *older_curves,
            *measured.damaged,
        ],
        baseline=check_regressions(baseline, cells, failures) if baseline else None,
        machines={machine: machine_facts(group[0].profile) for machine, group in machines.items()},
    )


def _not_beside(decisions: Sequence[MachineDecision], found: Sequence[str]) -> list[str]:
    """Return the caveats that do not stand beside a decision already."""
    said = [caveat for decision in decisions for caveat in decision.caveats]
    return [caveat for caveat in found if caveat not in said]


def finalists(
    measured: Measurements, constraints: Constraints, rule: DecisionRule
) -> list[tuple[ProfileRecord, ProfileRecord]]:
    """Return which pairs of rows should be measured alternately before the decision; nothing sealed is opened.

    These are the fastest row of a decision with each other one that is as accurate, where the profiles do not decide
    which of the two is faster and there is no record of ``versus`` yet. The closest come first.

    Args:
        measured: The profiles.
        constraints: Limits that a recommendation must keep.
        rule: Margins, and the metric that decides.
    """
    found: list[tuple[float, ProfileRecord, ProfileRecord]] = []
    for group in _machines(measured).values():
        choice = decide(group, constraints, None, rule).choice
        for cell, speed in choice.speeds.items() if choice else ():
            fastest = choice.fastest if choice else cell
            singly = all(one.profile.scenario == "single" and one.profile.form_sha256 for one in (fastest, cell))
            if speed == "undecided" and singly and versus_of(fastest, cell) is None:
                found.append((cell.pace_ms / fastest.pace_ms, fastest.profile, cell.profile))
    return [(first, second) for _, first, second in sorted(found, key=lambda one: one[0])]


def to_confirm(
    measured: Measurements, constraints: Constraints, rule: DecisionRule, pareto: Sequence[str] | None = None
) -> list[ProfileRecord]:
    """Return the rows that confirmation rows are worth asking: the winner of each machine and its Pareto front.

    Nothing sealed is opened.

    Args:
        measured: The profiles.
        constraints: Limits that a recommendation must keep.
        rule: Margins, and the metric that decides.
        pareto: Axes of the front, by name.
    """
    decisions = [decide(group, constraints, pareto, rule) for group in _machines(measured).values()]
    return [cell.profile for one in decisions for cell in one.cells if cell is one.winner or cell in one.front.cells]


def provisional(measured: Measurements, constraints: Constraints, rule: DecisionRule) -> Cell | None:
    """Return what would be recommended now on the first machine, if anything; nothing sealed is opened.

    Args:
        measured: The profiles.
        constraints: Limits that a recommendation must keep.
        rule: Margins, and the metric that decides.
    """
    group = next(iter(_machines(measured).values()))
    return decide(group, constraints, None, rule).winner


def _machines(measured: Measurements) -> dict[str, list[Cell]]:
    cells = seeds_as_one(name_cells(newest_of_each_cell(measured.profiles)))
    return cells_by_machine(with_versus(cells, measured.versus))


def _versus_sentences(cells: Sequence[Cell]) -> list[str]:
    """Return the findings of ``versus`` on pairs of these rows."""
    found = [versus_of(first, second) for first, second in combinations([cell for cell in cells if cell.versus], 2)]
    return [f"measured alternately: {record.sentence}" for record in found if record is not None]


def _machine_decision(machine: str, decision: Decision, folders: Mapping[str, Path]) -> MachineDecision:
    found, undecided, stability = confirm(decision, folders), undecided_pairs(decision), stability_of(decision)
    why, winner, recommended = why_recommended(decision, undecided), decision.winner, None
    sentence = why[0].upper() + why[1:] + "."
    if winner is not None:
        first = "".join(f"{qualification}; " for qualification in qualifications(decision))
        accuracy, replays = headline(found, decision.limits), in_replays(stability)
        recommended = Recommendation(
            name=winner.row.name,
            form=winner.profile.form,
            why=f"{first}{why}",
            machine=machine,
            variant=winner.variant,
            path=found_at(winner.profile),
        )
        reason = f"{accuracy}.\nWhy: {why}" if accuracy else why
        sentence = f"Ship {recommended.label}: {first}{reason}." + (f"\nStability: {replays}." if replays else "")
    return MachineDecision(
        machine=machine,
        sentence=sentence,
        recommended=recommended,
        confirmation=found if isinstance(found, Confirmation) else None,
        corrected=found if isinstance(found, CorrectedAccuracy) else None,
        stability=stability,
        undecided=undecided,
        caveats=deciding_caveats(decision),
        pareto=[cell.label for cell in decision.front.cells],
        front_axes=decision.front.axes,
    )


def _rows(decision: Decision) -> list[Row]:
    """Return the rows of one machine, marked with what was decided about them."""
    verdicts = decision.choice.verdicts if decision.choice else {}
    speeds = decision.choice.speeds if decision.choice else {}
    return [
        cell.row.model_copy(
            update={
                "pareto": cell in decision.front.cells,
                "recommended": cell is decision.winner,
                "compared": cell not in decision.apart,
                "accuracy_verdict": verdicts.get(cell),
                "speed_verdict": speeds.get(cell),
            }
        )
        for cell in decision.cells
    ]


def _rejections(decision: Decision) -> list[Rejection]:
    return [
        Rejection(
            name=loss.cell.row.name,
            form=loss.cell.row.form,
            reason=loss.reason,
            why=loss.why,
            machine=loss.cell.machine,
            variant=loss.cell.variant,
        )
        for loss in why_not(decision)
    ]


def _not_measured(row: Row) -> Rejection:
    return Rejection(
        name=row.name,
        form=row.form,
        reason="failed" if row.failure else "not_profiled",
        why=f"failed: {row.failure}" if row.failure else f"not profiled: {row.unprofiled}",
        machine=row.machine,
        variant=row.variant,
    )


def tfidf_baseline_tests(cells: Sequence[Cell]) -> list[BaselineTest]:
    """Compare every model with the TF-IDF baseline on the same reviews.

    Args:
        cells: Cells of any machines: the accuracy of a form does not depend on where it was timed.

    Returns:
        One test a model and form that has a TF-IDF baseline on its reviews.
    """
    baselines = [cell for cell in cells if cell.is_tfidf_baseline]
    tests, seen = [], set()
    for cell in cells:
        same_reviews = [baseline for baseline in baselines if baseline.test_hash == cell.test_hash]
        identity = (cell.profile.bundle, cell.profile.form, cell.test_hash, cell.accuracy)
        if cell in baselines or not same_reviews or identity in seen:
            continue
        seen.add(identity)
        tests.append(_test(cell, max(same_reviews, key=lambda baseline: baseline.accuracy)))
    return tests


def _test(cell: Cell, tfidf_baseline: Cell) -> BaselineTest:
    difference = accuracy_difference(tfidf_baseline, cell)
    significant, gain = difference.p_value < SIGNIFICANCE, difference.difference
    numbers = f"({percent(cell.accuracy)} against {percent(tfidf_baseline.accuracy)}, {p_value(difference.p_value)})"
    if significant and gain > 0:
        finding = f"beats the TF-IDF baseline by {points(gain)}"
    elif significant:
        finding = "is worse than the TF-IDF baseline"
    else:
        finding = f"does not {'significantly ' if gain > 0 else ''}beat the TF-IDF baseline"
    return BaselineTest(
        name=cell.profile.bundle,
        form=cell.profile.form,
        verdict="undecided" if not significant else "better" if gain > 0 else "worse",
        accuracy=difference,
        sentence=f"{cell.profile.bundle} {cell.profile.form} {finding} {numbers}",
    )
