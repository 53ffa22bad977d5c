"""The cells of a recipe on the machine where this runs: planned, profiled in turns, close ones timed alternately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import PROFILES
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.compare import Constraints, DecisionRule, Measurements, read_measurements
from slmbench.compare.machines import variants
from slmbench.profiling.identity import finished_profile, profile_name
from slmbench.profiling.measuring import find_cells, profile_cells
from slmbench.profiling.turns import PlannedCell
from slmbench.recipes.final_turns import confirm_finalists, earlier_versus_files, measure_finalists
from slmbench.recipes.recipe import Recipe
from slmbench.recipes.rung_runs import RungRuns
from slmbench.records import Row


@dataclass(frozen=True)
class Deciding:
    """What a recipe's cells are measured for.

    Attributes:
        limits: For the recommendation: close rows that it depends on are timed alternately.
        rule: Margins, and the metric that decides.
        pareto: Axes of the Pareto front, by name.
        only_order: Whether times are only compared with each other, and with no limit or baseline.
    """

    limits: Constraints
    rule: DecisionRule
    pareto: Sequence[str] | None = None
    only_order: bool = False


def measure_cells(
    recipe: Recipe,
    ladder: RungRuns,
    decision: Deciding,
    command: Sequence[str],
    progress: Progress,
) -> Measurements:
    """Measure every cell that is not finished; no training runs at the same time.

    Args:
        recipe: The recipe.
        ladder: Its rungs, which have been run; cells that fail are added to its failures.
        decision: What they are measured for.
        command: The command line, for the records.
        progress: Where progress is reported.

    Returns:
        The profiles, reused ones included; none where every cell failed.
    """
    planned = _planned(recipe, ladder, decision, progress)
    with stage("profiling"):
        files = _profile(planned, ladder, command, progress)
    if not files:
        return Measurements([])
    with stage("deciding"):
        measured = read_measured(files, progress)
    with stage("versus"):
        more = measure_finalists(
            measured, planned, decision.limits, decision.rule, command=command, progress=progress
        )
    measured = replace(measured, versus=[*measured.versus, *more])
    with stage("sealing"):
        return confirm_finalists(
            measured, planned, decision.limits, decision.rule, decision.pareto, progress=progress
        )


def read_measured(files: Sequence[Path], progress: Progress) -> Measurements:
    """Read profiles of a ladder, and the records of ``versus`` that lie in ``profiles/``.

    Args:
        files: The profiles.
        progress: Told how many are read.
    """
    return read_measurements([*files, *earlier_versus_files()], progress) if files else Measurements([])


def _profile(
    planned: Sequence[PlannedCell], ladder: RungRuns, command: Sequence[str], progress: Progress
) -> list[Path]:
    """Profile all cells that are not finished, in turns; no training runs at the same time.

    Returns:
        The files of all records, reused ones included.
    """
    files = {one: finished_profile(one.cell, one.options, PROFILES) for one in planned}

    def note_failure(one: PlannedCell, error: SlmbenchError) -> None:
        cell, options = one.cell, one.options
        progress.say(f"{cell.name} failed: {error}")
        ladder.failures.append(
            Row(
                name=cell.source.name,
                form=cell.form,
                variant=variants([(options.backend, options.device)])[0],
                model=cell.source.model,
                method=cell.source.method,
                failure=str(error),
            )
        )

    records = profile_cells(
        [one for one, file in files.items() if file is None],
        output=PROFILES,
        command=command,
        progress=progress,
        failed=note_failure,
    )
    written = {record.name: PROFILES / f"{record.name}.json" for record in records}
    done = [file or written.get(profile_name(one.cell, one.options)) for one, file in files.items()]
    return [file for file in done if file is not None]


def _planned(recipe: Recipe, ladder: RungRuns, decision: Deciding, progress: Progress) -> list[PlannedCell]:
    """Return the cells of all settings of the recipe."""
    planned: list[PlannedCell] = []
    for options in recipe.profile.settings():
        folders = ladder.runs_in_torch() if options.runs_on.takes == "run" else ladder.bundles
        if not folders:
            continue
        try:
            cells = find_cells(list(folders.values()), options)
        except SlmbenchError as error:
            # A missing device fails its own cells only.
            progress.say(f"nothing was measured in {options.backend} on {options.device}: {error}")
            ladder.failures += [
                Row(name=name, variant=f"{options.backend}, {options.device}", failure=str(error)) for name in folders
            ]
            continue
        if not options.as_exported:  # what runs in one way only is measured where it runs as it was exported
            cells = [cell for cell in cells if not cell.same_everywhere]
        planned += [PlannedCell(cell, options, may_end_early=True, only_order=decision.only_order) for cell in cells]
    return planned
