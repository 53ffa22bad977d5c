"""Running a recipe: each cell (rung x form x device) once; finished cells are reused, failed ones become rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import COMPARISONS
from slmbench.common.progress import SILENT, Progress
from slmbench.common.stages import stage, stage_clock
from slmbench.compare import Constraints, Measurements, RegressionGate, compare
from slmbench.corpora import read_once
from slmbench.instruments.engines import Engine, installed_engine
from slmbench.recipes.measuring import Deciding, measure_cells, read_measured
from slmbench.recipes.recipe import CorpusTable, Recipe, find_recipe, read_recipe
from slmbench.recipes.rung_runs import RungRuns, corpus_of
from slmbench.recipes.rungs import CascadeRung, Rung
from slmbench.recipes.spread import SpreadLadder
from slmbench.records import ComparisonRecord
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
    engine: str | None = None,
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
        engine: What trains, exports and profiles on several machines, such as ``ray``; see
            :mod:`slmbench.recipes.spread`. Without one it is done on this machine.
        command: The command line, for the records.
        progress: Where progress is reported.

    Returns:
        The comparison.

    Raises:
        UsageError: The recipe or engine does not exist, the recipe is wrong, the baseline is neither a path nor one
            of its rungs, or the report folder holds other files.
        SlmbenchError: Its corpus cannot be loaded, a profile of the baseline is damaged, or every cell failed.
    """
    runs_on = installed_engine(engine)
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
    only_order = baseline is None and not limits.as_dict()
    decision = Deciding(limits, decided_by, pareto, only_order=only_order)
    with stage_clock() as clock, read_once():
        measured, ladder, notes = _measure_all(recipe, notes, decision, command, progress, runs_on)
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
    decision: Deciding,
    command: Sequence[str],
    progress: Progress,
    engine: Engine | None,
) -> tuple[Measurements, RungRuns, list[str]]:
    """Run, export and profile every rung; returns what was measured, the rungs, and what a reader has to know.

    Raises:
        SlmbenchError: The corpus cannot be loaded, or every cell failed.
    """
    if engine is not None:
        with engine.open() as cluster:
            spread = SpreadLadder(cluster, recipe, command, progress)
            with stage("training"):
                ladder = spread.run_rungs()
            notes = [*notes, *ladder.transfers()]
            with stage("profiling"):
                files = spread.measure(decision.limits, decision.rule)
        _check_any(files, ladder)
        with stage("deciding"):
            return read_measured(files, progress), ladder, notes
    with stage("corpus"):
        corpus = corpus_of(recipe, progress)
    ladder = RungRuns(recipe, corpus, command, progress)
    for number, rung in enumerate(recipe.rungs, 1):
        progress.say(f"[{number}/{len(recipe.rungs)}] {rung.name}")
        with stage(None, rung=rung.name):
            ladder.try_rung(rung)
    notes = [*notes, *ladder.transfers()]
    measured = measure_cells(recipe, ladder, decision, command, progress)
    _check_any(measured.profiles, ladder)
    return measured, ladder, notes


def _check_any(profiles: Sequence[Any], ladder: RungRuns) -> None:
    if not profiles and not ladder.unprofiled:
        first = ladder.failures[0]
        raise SlmbenchError(f"every cell of the recipe failed: {first.name}: {first.failure}")


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
