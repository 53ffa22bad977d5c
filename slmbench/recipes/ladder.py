"""Running a recipe: each cell (rung x form x device) once; finished cells are reused, failed ones become rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.full_disk import DiskFullError
from slmbench.common.places import COMPARISONS, PROFILES
from slmbench.common.progress import SILENT, Progress
from slmbench.common.stages import stage, stage_clock
from slmbench.compare import Constraints, DecisionRule, Measurements, RegressionGate, compare, read_measurements
from slmbench.compare.machines import variants
from slmbench.corpora import Corpus, load_corpus
from slmbench.profiling.identity import finished_profile, profile_name
from slmbench.profiling.measuring import find_cells, profile_cells
from slmbench.profiling.turns import PlannedCell
from slmbench.recipes.final_turns import earlier_versus_files, measure_finalists
from slmbench.recipes.recipe import CorpusTable, Recipe, find_recipe, read_recipe
from slmbench.recipes.rung_runs import RungRuns
from slmbench.recipes.rungs import CascadeRung, Rung
from slmbench.records import ComparisonRecord, Row
from slmbench.records.comparison import stage_times
from slmbench.report import check_report_dir, write_report


def run_recipe(
    name: str,
    *,
    offline: bool = False,
    constraints: Constraints | None = None,
    rule: Mapping[str, Any] | None = None,
    pareto: Sequence[str] | None = None,
    baseline: RegressionGate | None = None,
    report_dir: Path | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> ComparisonRecord:
    """Run, export and profile every rung of a recipe, then compare.

    A cell that was finished from the same inputs is not repeated. A cell that fails becomes a row with its reason,
    and the other cells are still run.

    Args:
        name: A recipe that comes with slmbench, or a TOML file.
        offline: Substitute starter models and corpora for those that need a model hub, under their own names.
        constraints: Limits for the recommendation; they override the recipe's.
        rule: Margins and metric by the names of :class:`slmbench.compare.DecisionRule`; they override the recipe's.
        pareto: Axes of the Pareto front, by name; ``None`` means accuracy and latency.
        baseline: What to compare the rows with. Its profiles are read before anything is measured, so that
            ``profiles/`` means the profiles of earlier commands.
        report_dir: Folder of the report; ``comparisons/RECIPE`` when not given.
        command: The command line, for the records.
        progress: Where progress is reported.

    Returns:
        The comparison.

    Raises:
        UsageError: The recipe does not exist or is wrong, the baseline is neither a path nor one of its rungs, or
            the report folder holds other files.
        SlmbenchError: Its corpus cannot be loaded, a profile of the baseline is damaged, or every cell failed.
    """
    recipe = read_recipe(find_recipe(name))
    notes = list(recipe.notes)
    if offline:
        recipe, stand_ins = offline_version(recipe)
        notes = stand_ins + notes
        for note in stand_ins:
            progress.say(note)
    report_dir = report_dir or COMPARISONS / recipe.name
    check_report_dir(report_dir)
    if baseline is not None:
        _check_baseline(baseline, recipe)
    limits, decided_by = recipe.constraints(constraints), recipe.decision.rule(rule)
    with stage_clock() as clock:
        measured, ladder, notes = _measure_all(recipe, notes, limits, decided_by, command, progress)
        with stage("deciding"):
            record = compare(
                measured,
                constraints=limits,
                rule=decided_by,
                pareto=pareto,
                baseline=baseline,
                failures=ladder.failures,
                unprofiled=ladder.unprofiled,
                notes=notes,
                name=recipe.name,
                command=command,
                progress=progress,
            )
    record = record.model_copy(update={"stages": stage_times(clock)})
    write_report(record, measured.profiles, report_dir, progress=progress)
    return record


def _measure_all(
    recipe: Recipe,
    notes: list[str],
    limits: Constraints,
    rule: DecisionRule,
    command: Sequence[str],
    progress: Progress,
) -> tuple[Measurements, RungRuns, list[str]]:
    """Run, export and profile every rung; returns what was measured, the rungs, and what a reader has to know.

    Raises:
        SlmbenchError: The corpus cannot be loaded, or every cell failed.
    """
    with stage("corpus"):
        corpus = _corpus_of(recipe, progress)
    ladder = RungRuns(recipe, corpus, command, progress)
    for number, rung in enumerate(recipe.rungs, 1):
        progress.say(f"[{number}/{len(recipe.rungs)}] {rung.name}")
        try:
            with stage(None, rung=rung.name):
                ladder.run_rung(rung)
        except DiskFullError:
            raise  # the other rungs need space as well
        except (SlmbenchError, OSError, RuntimeError) as error:
            # A failure of one rung must not lose the hours spent on the others.
            progress.say(f"{rung.name} failed: {error}")
            ladder.failures.append(Row(name=rung.name, model=rung.model, method=rung.method, failure=str(error)))
    notes = [*notes, *ladder.transfers()]
    planned = _planned(recipe, ladder, progress)
    with stage("profiling"):
        profiles = _profile(planned, ladder, command, progress)
    if not profiles and not ladder.unprofiled:
        first = ladder.failures[0]
        raise SlmbenchError(f"every cell of the recipe failed: {first.name}: {first.failure}")
    with stage("deciding"):
        measured = read_measurements([*profiles, *earlier_versus_files()], progress) if profiles else Measurements([])
    with stage("versus"):
        more = measure_finalists(measured, planned, limits, rule, command=command, progress=progress)
    return replace(measured, versus=[*measured.versus, *more]), ladder, notes


def _corpus_of(recipe: Recipe, progress: Progress) -> Corpus | None:
    """Return the reviews that all rungs share; with folds each rung reads them fold by fold."""
    if recipe.corpus.folds is not None:
        return None
    reading = recipe.corpus.reading()
    if recipe.corpus.unlabelled_corpus is not None:
        reading["unlabelled_size"] = 0  # only rungs with a teacher read it
    return load_corpus(recipe.corpus.name, **reading, progress=progress)


def _check_baseline(baseline: RegressionGate, recipe: Recipe) -> None:
    """Check the baseline before hours of work."""
    names = [rung.name for rung in recipe.rungs]
    if baseline.profiles is None:
        found = any(f"{baseline.against} ".startswith(f"{name} ") for name in names)
    else:
        found = any(profile.bundle in names for profile in baseline.profiles)
    if not found:
        kind = "no profile, no folder and no row" if baseline.profiles is None else "without a profile of any rung"
        raise UsageError(
            f"the baseline '{baseline.against}' is {kind} of the recipe, whose rungs are {', '.join(names)}"
        )


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


def _planned(recipe: Recipe, ladder: RungRuns, progress: Progress) -> list[PlannedCell]:
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
        planned += [PlannedCell(cell, options, may_end_early=True) for cell in cells]
    return planned


def offline_version(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Replace models and corpora that need a hub.

    A rung with another model gets another name that contains both, so that a substitute never has the name of the
    model it replaces.

    Args:
        recipe: The recipe as written.

    Returns:
        The recipe that can be run offline, and sentences that name each substitution.
    """
    models = recipe.offline.models
    renamed: dict[str, str] = {}
    rungs: list[Rung] = []
    for rung in recipe.rungs:
        changes: dict[str, Any] = {
            "offline": {},
            **rung.references(lambda name: renamed[name]),
        }
        if not isinstance(rung, CascadeRung):
            substitute = models.get(rung.model, rung.model)
            changes |= {"model": substitute, **rung.offline}
            if substitute != rung.model:
                changes["name"] = f"{Path(substitute).name}-for-{rung.name}"
        elif any(renamed[name] != name for name in rung.referred):
            changes["name"] = f"stand-in-for-{rung.name}"
        renamed[rung.name] = changes.get("name", rung.name)
        rungs.append(rung.changed(**changes))
    replaced = {
        rung.model: models[rung.model]
        for rung in recipe.rungs
        if not isinstance(rung, CascadeRung) and rung.model in models
    }
    corpus = CorpusTable.model_validate({**recipe.corpus.model_dump(), **recipe.offline.corpus})
    notes = []
    if replaced:
        pairs = ", ".join(f"{here} stands in for {named}" for named, here in replaced.items())
        notes.append(f"offline: {pairs}; these are not the numbers of the models named in the recipe")
    if corpus.name != recipe.corpus.name:
        notes.append(f"offline: the corpus {corpus.name} stands in for {recipe.corpus.name}")
    changed = {
        "corpus": corpus,
        "rungs": tuple(rungs),
        "transfer": tuple(
            table.model_copy(update={"rung": renamed[table.rung]})
            for table in recipe.transfer
            if _is_here(table.corpus)
        ),
        "name": f"{recipe.name}-offline" if notes else recipe.name,
    }
    left_out = [table.corpus for table in recipe.transfer if not _is_here(table.corpus)]
    if left_out:
        notes.append(f"offline: the transfer to {', '.join(left_out)} is left out, it needs the hub")
    return recipe.model_copy(update=changed), notes


def _is_here(corpus: str) -> bool:
    from slmbench.corpora import corpus_available
    from slmbench.corpora.known_corpora import find_source

    return not find_source(corpus).needs_hub or corpus_available({"name_or_path": corpus})
