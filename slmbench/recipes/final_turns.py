"""Rows of a recipe are measured alternately where their profiles do not decide which of two is faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import PROFILES
from slmbench.common.progress import Progress
from slmbench.compare import Constraints, DecisionRule, Measurements, finalists
from slmbench.profiling.identity import profile_name
from slmbench.profiling.turns import PlannedCell
from slmbench.profiling.versus import PAIRS, versus
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
    at_hand = {profile_name(one.cell, one.options): one for one in planned if one.options.runs_on.takes == "bundle"}
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


def earlier_versus_files() -> list[Path]:
    """Return the files of ``versus`` in ``profiles/``."""
    return sorted(PROFILES.glob("*-vs-*.json"))
