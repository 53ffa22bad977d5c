"""Curves over review lengths, token budgets or threads (``slmbench sweep``); settings are measured alternately."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import PROFILES
from slmbench.common.progress import SILENT, Progress
from slmbench.instruments.hardware import hardware_fingerprint, software_versions, usable_cores
from slmbench.profiling.bundle_cells import BundleCell, find_bundle_cells
from slmbench.profiling.conditions import Seen, Watch, conditions_of, why_unsteady
from slmbench.profiling.identity import check_names, check_output, profile_name
from slmbench.profiling.prepared import measure_each
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.sampling import sample, warm_up
from slmbench.profiling.workload import Workload, choose_workload, words_of_lengths
from slmbench.records import write_record
from slmbench.records.sweep import AXIS_TITLES, ONE_AT_A_TIME, Axis, SweepFailure, SweepPoint, SweepRecord, tick

AXES: tuple[Axis, ...] = ("length", "batch", "threads")
SHORTEST = 8
TOKEN_BUDGETS = (256, 512, 1024, 2048, 4096, 8192, 16384)
#: Repetitions of a length per turn, and the minimum number of turns per process.
REPEATS, MIN_TURNS = 3, 2
#: Minimum number of reviews in a pass over one token budget: enough to fill a batch.
MIN_REVIEWS = 32


def sweep(
    bundles: Sequence[Path],
    axis: str,
    options: ProfileOptions,
    *,
    output: Path = PROFILES,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    failed: Callable[[BundleCell, SlmbenchError], None] | None = None,
) -> Iterator[SweepRecord]:
    """Measure the forms of bundles over an axis; write each record, and its plot where matplotlib is installed.

    Args:
        bundles: Bundle folders, or folders of bundles; none means everything in ``exported/``.
        axis: One of :data:`AXES`.
        options: How to measure; the time limit is for a complete curve.
        output: Folder of the records.
        command: The command line, for the records.
        progress: Where to report progress.
        failed: Called when a curve fails, after which the others are measured; without it the failure is raised.

    Yields:
        Each record, once it is written.

    Raises:
        UsageError: No bundle is found, or an option is out of range.
        SlmbenchError: A curve failed and ``failed`` was not given.
    """
    options.check()
    known = next((name for name in AXES if name == axis), None)
    if known is None:
        raise UsageError(f"--over {axis}: choose among {', '.join(AXES)}")
    if options.scenario != "single":
        raise UsageError(f"sweep measures reviews one at a time, not the scenario {options.scenario}")
    check_output(output)
    cells = find_bundle_cells(bundles, options)
    check_names([profile_name(cell, options) for cell in cells])
    for record in measure_each(cells, lambda cell: measure_curve(cell, known, options, command, progress), failed):
        write_record(record, output / f"{record.name}.json")
        if importlib.util.find_spec("matplotlib") is not None:
            plot_sweep(record, output / f"{record.name}.png")
        yield record


def measure_curve(
    cell: BundleCell, axis: Axis, options: ProfileOptions, command: Sequence[str], progress: Progress
) -> SweepRecord:
    """Measure one form over an axis.

    Raises:
        SlmbenchError: The bundle does not load, or no setting could be measured.
    """
    workload = choose_workload(cell.bundle, cell.folder, progress)
    seen: list[Seen] = []
    failures: list[SweepFailure] = []
    task = cell.task(options)
    with progress.task(f"{cell.name} by {axis}", total=options.processes, unit="processes") as bar:
        taken: list[dict[int, list[float]]] = []
        reviews = None
        for number in range(options.processes):
            if axis == "length":
                taken.append(_lengths(cell, task, options, seen))
            elif axis == "batch":
                texts = {**task, "texts": workload.texts}
                times, reviews = token_budgets(texts, workload, options, seen, reviews)
                taken.append(times)
            else:
                taken.append(_threads({**task, "texts": workload.texts}, options, number, seen, failures))
            bar.advance()
    # Texts of one length and passes are all alike; with threads, samples are of single reviews.
    same = axis != "threads"
    points = points_of(taken if same else of_the_same_reviews(taken), 1 if same else len(workload.texts))
    if not points:
        raise SlmbenchError(f"no setting could be measured: {failures[0].reason}")
    conditions, hardware = conditions_of(seen), hardware_fingerprint()
    return SweepRecord(
        name=f"{profile_name(cell, options)}.by-{axis}",
        command=list(command),
        bundle=cell.bundle.name,
        form=cell.form,
        backend=cell.backend(options),
        device=options.device,
        threads=None if axis == "threads" else task["threads"],
        axis=axis,
        points=points,
        failed=failures,
        corpus=workload.identity,
        conditions=conditions,
        warnings=why_unsteady(conditions, hardware, suspected=False),
        hardware=hardware,
        software=software_versions(options.runs_on.libraries_on(options.device)),
    )


def plot_sweep(record: SweepRecord, path: Path) -> None:
    """Plot median and interval over the setting, the best one marked, and write it as PNG."""
    from slmbench.common.plotting import HIGHLIGHT, INK, PALETTE, new_figure, plain_axes, save

    values, medians, intervals = record.curve()
    figure = new_figure(6.4, 3.8)
    axes = figure.add_subplot()
    plain_axes(axes)
    # Token budgets and threads double from one to the next: equal spacing keeps them legible. Lengths are to scale.
    places = list(values) if record.axis == "length" else list(range(len(values)))
    axes.fill_between(places, intervals[:, 0], intervals[:, 1], color=PALETTE[0], alpha=0.2, linewidth=0)
    axes.plot(places, medians, color=PALETTE[0], marker="o", markersize=4)
    if record.best is not None:
        best = values.index(record.best)
        axes.plot(places[best], medians[best], marker="*", markersize=14, color=HIGHLIGHT)
    if record.axis != "length":
        axes.set_xticks(places, [tick(record.axis, value) for value in values])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(AXIS_TITLES[record.axis], color=INK, fontsize=9)
    axes.set_ylabel("ms per review, median and 95 % interval", color=INK, fontsize=9)
    axes.set_title(f"{record.bundle} {record.form}, {record.hardware['machine']}", color=INK, fontsize=9)
    save(figure, path)


def points_of(processes: Sequence[dict[int, list[float]]], reviews: int = 1) -> list[SweepPoint]:
    """Return the points of a curve in the order of their values.

    Args:
        processes: Samples of each value in milliseconds per review, one dict per process; some may lack a value.
        reviews: Sample ``i`` is of review ``i % reviews``; 1 where all samples are of the same work.
    """
    values = sorted(set().union(*processes))
    return [
        SweepPoint(value=value, processes_ms=[taken[value] for taken in processes if value in taken], reviews=reviews)
        for value in values
    ]


def of_the_same_reviews(processes: Sequence[dict[int, list[float]]]) -> list[dict[int, list[float]]]:
    """Cut all samples to the same number, so that every setting is judged by the same reviews.

    In the same time a fast setting gets further in the list of reviews than a slow one.

    Args:
        processes: As :func:`points_of` takes them.
    """
    fewest = min((len(samples) for taken in processes for samples in taken.values()), default=0)
    return [{value: samples[:fewest] for value, samples in taken.items()} for taken in processes]


def _lengths(
    cell: BundleCell, task: dict[str, Any], options: ProfileOptions, seen: list[Seen]
) -> dict[int, list[float]]:
    """Time texts of every length alternately, in one fresh process."""
    longest = cell.bundle.max_length or max(cell.bundle.lengths.tokens)
    values = [2**power for power in range(SHORTEST.bit_length() - 1, longest.bit_length()) if 2**power < longest]
    values.append(longest)
    texts = words_of_lengths(cell.bundle, cell.folder, values)
    taken: dict[int, list[float]] = {value: [] for value in values}
    with MeasuredProcess({**task, "texts": texts}) as process:
        warm_up(process)
        watch = Watch(process.pid)
        deadline = time.monotonic() + options.time_limit_s / options.processes
        turns = 0
        while turns < MIN_TURNS or time.monotonic() < deadline:
            for row, value in enumerate(values):
                taken[value] += process.ask({"do": "single", "rows": [row] * REPEATS, "lead": True})["ms"]
            turns += 1
        seen.append(watch.end())
    return taken


def token_budgets(
    task: dict[str, Any],
    workload: Workload,
    options: ProfileOptions,
    seen: list[Seen],
    reviews: int | None = None,
) -> tuple[dict[int, list[float]], int]:
    """Time passes with every token budget alternately, in one fresh process.

    Budgets end with the first into which all reviews fit: larger ones would give the same single batch.

    Args:
        task: What the measured process is told.
        workload: The reviews.
        options: How to measure.
        seen: What else the machine did is appended here.
        reviews: Number of reviews in a pass. ``None`` in the first process, which finds out for how many there is
            time; later processes use the same number, because other reviews have other lengths.

    Returns:
        Milliseconds per review by budget, and the number of reviews in a pass.
    """
    with MeasuredProcess(task) as process:
        warm_up(process)
        budget_ms = 1e3 * options.time_limit_s / options.processes
        if reviews is None:
            each_ms = process.ask({"do": "batches", "batch_tokens": None, "reviews": MIN_REVIEWS})["s"] * 1e3
            each_ms /= min(MIN_REVIEWS, len(workload.texts))
            fitting = int(budget_ms / (each_ms * MIN_TURNS * (len(TOKEN_BUDGETS) + 1)))
            reviews = min(len(workload.texts), max(MIN_REVIEWS, fitting))
        tokens = workload.tokens * reviews / len(workload.texts)
        values = [ONE_AT_A_TIME, *(value for value in TOKEN_BUDGETS if value < 2 * tokens)]
        taken: dict[int, list[float]] = {value: [] for value in values}
        watch = Watch(process.pid)
        deadline = time.monotonic() + budget_ms / 1e3
        turns = 0
        while turns < MIN_TURNS or time.monotonic() < deadline:
            for value in values:
                request = {"do": "batches", "batch_tokens": value or None, "reviews": reviews}
                taken[value].append(process.ask(request)["s"] * 1e3 / reviews)
            turns += 1
        seen.append(watch.end())
    return taken, reviews


def _threads(
    task: dict[str, Any], options: ProfileOptions, number: int, seen: list[Seen], failures: list[SweepFailure]
) -> dict[int, list[float]]:
    """Time single reviews with every number of threads, each in a fresh process; the order alternates."""
    values = thread_counts()
    budget_s = options.time_limit_s / options.processes / len(values)
    taken: dict[int, list[float]] = {}
    for value in values if number % 2 == 0 else values[::-1]:
        try:
            with MeasuredProcess({**task, "threads": value}) as process:
                sampled = sample(process, budget_s, reviews=len(task["texts"]))
        except SlmbenchError as error:
            failures.append(SweepFailure(value=value, reason=str(error)))
            continue
        taken[value] = sampled.ms
        seen.append(sampled.seen)
    return taken


def thread_counts() -> list[int]:
    """Return the numbers of threads to try: powers of two below the number of usable cores, and that number."""
    cores = usable_cores()
    return [2**power for power in range(cores.bit_length()) if 2**power < cores] + [cores]
