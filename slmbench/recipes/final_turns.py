"""What the rows of a recipe that may be recommended still need before the decision.

They are measured alternately where their profiles do not decide which of two is faster, and what would be recommended
answers the confirmation rows: to ask all forms would take as long as to test them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import PROFILES
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.compare import Constraints, DecisionRule, Measurements, finalists, to_confirm
from slmbench.export.sealing import seal_form
from slmbench.profiling.bundle_cells import BundleCell
from slmbench.profiling.carried_answers import carried_over
from slmbench.profiling.identity import profile_name
from slmbench.profiling.turns import PlannedCell
from slmbench.profiling.versus import PAIRS, versus
from slmbench.records import write_record
from slmbench.records.versus import VersusRecord

#: Maximum number of pairs: each takes half a minute.
MAX_PAIRS = 2


def measure_finalists(
    measured: Measurements,
    planned: Sequence[PlannedCell],
    constraints: Constraints,
    rule: DecisionRule,
    *,
    command: Sequence[str],
    progress: Progress,
) -> list[VersusRecord]:
    """Measure pairs of rows alternately where their profiles do not decide which is faster.

    Args:
        measured: The profiles, and earlier records of ``versus``.
        planned: The cells of the recipe, whose bundles are at hand.
        constraints: Limits for the recommendation.
        rule: Margins, and the metric that decides.
        command: The command line, for the records.
        progress: Where to report progress.

    Returns:
        The records, written to ``profiles/``; a pair that cannot be measured is left out, with a message.
    """
    at_hand = _bundles_at_hand(planned)
    found = []
    for profiles in finalists(measured, constraints, rule)[:MAX_PAIRS]:
        pair = [at_hand.get(profile.name) for profile in profiles]
        first, second = pair
        if first is None or second is None or first.options != second.options or first.options.processes < 2:
            continue  # one process a form is a choice to do without intervals
        # One pair of processes more than a form has: with the defaults, what ``slmbench versus`` does.
        options = replace(first.options, processes=min(PAIRS, first.options.processes + 1), sessions=1)
        candidate, baseline = (f"{one.cell.folder}:{one.cell.form}" for one in (second, first))
        try:
            found.append(versus(candidate, baseline, options, output=PROFILES, command=command, progress=progress))
        except SlmbenchError as error:
            progress.say(f"{second.cell.name} and {first.cell.name} were not measured alternately: {error}")
    return found


def confirm_finalists(
    measured: Measurements,
    planned: Sequence[PlannedCell],
    constraints: Constraints,
    rule: DecisionRule,
    pareto: Sequence[str] | None,
    *,
    progress: Progress,
) -> Measurements:
    """Let what would be recommended, and the Pareto front, answer the confirmation rows; nobody reads the answers.

    Args:
        measured: The profiles, and records of ``versus``.
        planned: The cells of the recipe, whose bundles are at hand.
        constraints: Limits for the recommendation.
        rule: Margins, and the metric that decides.
        pareto: Axes of the front, by name.
        progress: Where to report progress.

    Returns:
        The measurements, with profiles that carry the answers, as they are written to ``profiles/``.
    """
    at_hand, confirmed, folders = _bundles_at_hand(planned), {}, {}
    for profile in to_confirm(measured, constraints, rule, pareto):
        one = at_hand.get(profile.name)
        if one is None or not isinstance(one.cell, BundleCell) or profile.confirmation is not None:
            continue
        if one.cell.source.cascade or not one.cell.answers_as_exported(one.options):
            continue
        try:
            with stage(None, rung=profile.bundle):
                bundle = seal_form(one.cell.folder, one.cell.form, progress)
        except (SlmbenchError, OSError) as error:
            progress.say(f"{one.cell.name} answered no confirmation reviews: {error}")
            continue
        answers, reason = carried_over(one.cell.folder, bundle, one.cell.form, computes_in=None)
        record = profile.model_copy(update={"confirmation": answers, "no_confirmation": reason})
        write_record(record, PROFILES / f"{profile.name}.json")
        confirmed[profile.name] = record
        if answers is not None:
            folders[answers.digest] = PROFILES
    profiles = [confirmed.get(profile.name, profile) for profile in measured.profiles]
    return replace(measured, profiles=profiles, folders={**measured.folders, **folders})


def _bundles_at_hand(planned: Sequence[PlannedCell]) -> dict[str, PlannedCell]:
    """Return the cells of bundles by the names of their profiles."""
    return {profile_name(one.cell, one.options): one for one in planned if one.options.runs_on.takes == "bundle"}


def earlier_versus_files() -> list[Path]:
    """Return the files of ``versus`` in ``profiles/``."""
    return sorted(PROFILES.glob("*-vs-*.json"))
