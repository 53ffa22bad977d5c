"""Two bundles measured alternately, so that disturbances of the machine affect both: ``slmbench versus A B``.

The two processes of a pair are fresh and run at the same time. They are asked alternately, a few reviews per turn, in
the order first, second, second, first (so that neither always follows the other), and both time the same reviews. The
first answer of a turn is not timed: the other process has just used the caches, and its threads may still spin.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.common.places import PROFILES
from slmbench.common.progress import SILENT, Progress
from slmbench.edge.runtime import BundleFiles
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.instruments.sentinel import spread_here
from slmbench.profiling.bundle_cells import BundleCell, find_bundle_cells
from slmbench.profiling.conditions import Seen, Watch, conditions_of, wait_until_idle, why_unsteady
from slmbench.profiling.identity import check_output, setting_name
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.sampling import DRIFTING, MIN_SAMPLES, closed, deadline_of, warm_up
from slmbench.profiling.workload import choose_workload
from slmbench.records import BundleRecord, artefacts, write_record
from slmbench.records.versus import Contestant, ProcessPair, VersusRecord

#: Pairs of processes by default: Student's t is 4.3 standard errors with three of them and 2.6 with six.
PAIRS = 6
#: Approximate duration of a turn, and its maximum number of reviews.
TURN_MS, TURN_REVIEWS = 250.0, 100
#: Sampling stops when both ends of the 95 % interval of the median ratio are within this share of it.
PRECISION = 0.01


def versus(
    first: str,
    second: str,
    options: ProfileOptions,
    *,
    output: Path = PROFILES,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> VersusRecord:
    """Measure two forms alternately and write the record.

    Args:
        first: Folder of a bundle, or ``FOLDER:FORM``; without a form that of ``options``, or the one that the edge
            runtime would choose.
        second: The baseline it is compared with, likewise.
        options: How to measure; ``processes`` is the number of pairs, and ``time_limit_s`` is for all of them.
        output: Folder of the record.
        command: The command line, for the record.
        progress: Where to report progress.

    Returns:
        The record, written.

    Raises:
        UsageError: There is no such bundle or form, or an option is out of range.
        SlmbenchError: A bundle does not load, or a process died.
    """
    options.check()
    if options.scenario != "single":
        raise UsageError(f"versus measures reviews one at a time, not the scenario {options.scenario}")
    check_output(output)
    cells = [find_contestant(text, options) for text in (first, second)]
    # Both time the reviews of the baseline, so that they stay the same from candidate to candidate.
    workload = choose_workload(cells[1].bundle, cells[1].folder, progress)
    first_task, second_task = ({**cell.task(options), "texts": workload.texts} for cell in cells)
    seen: list[Seen] = []
    with progress.task(f"{cells[0].name} versus {cells[1].name}", total=options.processes, unit="pairs") as bar:
        pairs, stable = measure_pairs(
            first_task, second_task, options.processes, options.time_limit_s, seen, bar.advance
        )
    hardware, conditions = hardware_fingerprint(), conditions_of(seen)
    warnings = [] if stable else [DRIFTING]
    note = None
    if not closed(_ratios(pairs[0].first_ms, pairs[0].second_ms), PRECISION):
        note = f"the time limit ended the first pair before the interval of the ratio was within ±{PRECISION:.0%}"
    warnings += why_unsteady(conditions, hardware, suspected=bool(warnings))
    names = "-vs-".join(f"{cell.folder.resolve().name}.{cell.form}" for cell in cells)
    record = VersusRecord(
        name=f"{names}.{setting_name(options)}.{hardware['fingerprint'][:8]}",
        command=list(command),
        first=_contestant(cells[0], options),
        second=_contestant(cells[1], options),
        device=options.device,
        threads=options.threads_used,
        pairs=pairs,
        spread=spread_here(),
        corpus=workload.identity,
        note=note,
        warnings=warnings,
        conditions=conditions,
        hardware=hardware,
        software=software_versions(options.runs_on.libraries_on(options.device)),
    )
    write_record(record, output / f"{record.name}.json")
    return record


def find_contestant(text: str, options: ProfileOptions) -> BundleCell:
    """Return the cell that ``FOLDER`` or ``FOLDER:FORM`` names.

    Raises:
        UsageError: It names several forms or bundles, or one that does not exist.
        SlmbenchError: The bundle's record is damaged.
    """
    folder, form = Path(text), None
    if not folder.exists() and ":" in text:
        before, _, form = text.rpartition(":")
        folder = Path(before)
    if form is None and options.forms is not None:
        if len(options.forms) > 1:
            raise UsageError("versus measures one form of each bundle: give one --form, or BUNDLE:FORM")
        (form,) = options.forms
    if form is None and artefacts.kind_of(folder) is BundleRecord:
        form = BundleFiles.open(folder).choose_form(None)
    cells = find_bundle_cells([folder], options.with_forms(form) if form else options)
    if len(cells) != 1:
        raise UsageError(f"{folder} holds several bundles: versus compares one with one")
    return cells[0]


def measure_pairs(
    first: dict[str, Any],
    second: dict[str, Any],
    number: int,
    time_limit_s: float,
    seen: list[Seen],
    done: Callable[[], None],
) -> tuple[list[ProcessPair], bool]:
    """Time single reviews with pairs of fresh processes; the first pair determines the number of samples.

    Args:
        first: Task of the first process of a pair.
        second: Task of the second; its texts are the same.
        number: Number of pairs.
        time_limit_s: Maximum sampling time of all of them (s).
        seen: What else the machine did is appended here.
        done: Called after each pair.

    Returns:
        The samples, and whether warm-up became stable in every process.

    Raises:
        SlmbenchError: A bundle does not load, or a process died.
    """
    pairs: list[ProcessPair] = []
    stable = True
    for turn in range(number):
        count = len(pairs[0].first_ms) if pairs else None
        pair, warm, what = _measure_pair(first, second, turn, time_limit_s / number, count)
        pairs.append(pair)
        seen.append(what)
        stable = stable and warm
        done()
    return pairs, stable


def _measure_pair(
    first: dict[str, Any], second: dict[str, Any], number: int, budget_s: float, count: int | None
) -> tuple[ProcessPair, bool, Seen]:
    """Measure with two fresh processes; which starts first alternates from pair to pair."""
    tasks = (first, second)
    order = (0, 1) if number % 2 == 0 else (1, 0)
    with ExitStack() as stack:
        started = {which: stack.enter_context(MeasuredProcess(tasks[which])) for which in order}
        stable = {which: warm_up(started[which]) for which in order}
        watch = Watch(*(process.pid for process in started.values()))
        taken: tuple[list[float], list[float]] = ([], [])
        deadline = deadline_of(budget_s, count)
        turn = 0
        while count is None or len(taken[0]) < count:
            reviews = _reviews_of_a_turn(taken)
            if count is not None:
                reviews = min(reviews, count - len(taken[0]))
            rows = list(range(len(taken[0]), len(taken[0]) + reviews))
            for which in order if turn % 2 == 0 else order[::-1]:
                taken[which].extend(started[which].ask({"do": "single", "rows": rows, "lead": True})["ms"])
                wait_until_idle(started[which].pid)
            turn += 1
            watch.look()
            if count is None and len(taken[0]) >= MIN_SAMPLES and closed(_ratios(*taken), PRECISION):
                break
            if time.monotonic() >= deadline and len(taken[0]) >= 2:
                break
        seen = watch.end()
    return ProcessPair(first_ms=taken[0], second_ms=taken[1]), all(stable.values()), seen


def _reviews_of_a_turn(taken: Sequence[Sequence[float]]) -> int:
    """Return how many reviews take about :data:`TURN_MS` in the slower of the two processes."""
    if not taken[0]:
        return 1
    return int(np.clip(TURN_MS / max(0.01, *(float(np.median(ms)) for ms in taken)), 1, TURN_REVIEWS))


def _ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(first, second, strict=True)]


def _contestant(cell: BundleCell, options: ProfileOptions) -> Contestant:
    form = cell.bundle.forms[cell.form]
    return Contestant(
        bundle=cell.bundle.name,
        form=cell.form,
        backend=cell.backend(options),
        size_bytes=form.bytes + cell.bundle.shared_bytes,
        sha256=form.sha256,
        architecture=cell.bundle.architecture,
    )
