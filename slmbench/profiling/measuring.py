"""The ``profile`` stage: bundle folders in, one measured record a form out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from slmbench.edge.runtime import BATCH_TOKENS
from slmbench.errors import SlmbenchError, UsageError
from slmbench.hardware import hardware_fingerprint, runs_natively, software_versions, usable_cores
from slmbench.profiling.cells import Cell, ProfileOptions, find_cells, profile_key, profile_name
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.sampling import Sampled, closed, sample
from slmbench.profiling.workload import Workload, choose_workload
from slmbench.progress import SILENT
from slmbench.records import (
    ColdStart,
    Energy,
    FormRecord,
    Latency,
    Memory,
    ProfileRecord,
    Throughput,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from slmbench.progress import Progress

#: Reviews in a throughput pass and how often it is run in each process.
PASSES = 2
#: A processor busier than this before a measurement is worth a warning.
BUSY_PERCENT = 20.0


def profile(
    bundles: Sequence[Path] = (),
    options: ProfileOptions | None = None,
    *,
    output: Path = Path("profiles"),
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    failed: Callable[[Cell, SlmbenchError], None] | None = None,
) -> Iterator[ProfileRecord]:
    """Measure bundles, one form after another, and write each record as it is done.

    Args:
        bundles: Bundle folders, or folders of bundles; none means everything in ``exported/``.
        options: How to measure.
        output: Folder for the records, one JSON file a cell; an earlier one of the same cell is replaced.
        command: The command line, for the records.
        progress: Where to say how far it is.
        failed: Called when a cell fails, after which the others go on; without it the failure is raised.

    Yields:
        Each record, once it is written.

    Raises:
        UsageError: No bundle is found, or an option is out of range.
        SlmbenchError: A cell failed and ``failed`` was not given.
    """
    options = options or ProfileOptions()
    options.check()
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file, not a folder")
    for cell in find_cells(bundles, options):
        try:
            record = measure(cell, options, command, progress)
        except SlmbenchError as error:
            if failed is None:
                raise
            failed(cell, error)
            continue
        write_record(record, output / f"{record.name}.json")
        yield record


def measure(cell: Cell, options: ProfileOptions, command: Sequence[str], progress: Progress) -> ProfileRecord:
    """Measure one cell in fresh processes.

    Raises:
        SlmbenchError: The bundle does not load, or the measured process died.
    """
    form: FormRecord = cell.bundle.forms[cell.form]
    workload = choose_workload(cell.bundle, cell.folder, progress)
    warnings = _busy_warning() + _isa_warning(form) + _routing_warning(cell, workload)
    threads = options.threads or usable_cores()
    task = {"bundle": str(cell.folder), "form": cell.form, "threads": threads, "texts": workload.texts}
    sampled: list[Sampled] = []
    starts: list[MeasuredProcess] = []
    passes: list[float] = []
    peaks: list[tuple[int | None, str | None]] = []
    with progress.task(f"profiling {cell.name}", total=options.processes, unit="processes") as bar:
        for _ in range(options.processes):
            with MeasuredProcess(task) as process:
                starts.append(process)
                count = len(sampled[0].ms) if sampled else None
                sampled.append(sample(process, options.time_limit_s / options.processes, count))
                # The peak of serving one review at a time: larger batches would hide it.
                memory = process.ask({"do": "memory"})
                peaks.append((memory["peak_bytes"], memory["source"]))
                passes += [process.ask({"do": "offline", "batch_tokens": BATCH_TOKENS})["s"] for _ in range(PASSES)]
            bar.advance()
    return ProfileRecord(
        name=profile_name(cell, options),
        key=profile_key(cell, options),
        command=list(command),
        bundle=cell.bundle.name,
        form=cell.form,
        backend=options.backend if cell.bundle.needs_onnxruntime else "numpy",
        device=options.device,
        threads=threads if cell.bundle.needs_onnxruntime else 1,
        scenario="single",
        model=cell.bundle.model,
        method=cell.bundle.method,
        architecture=cell.bundle.architecture,
        total_parameters=cell.bundle.total_parameters,
        parameters_without_embeddings=cell.bundle.parameters_without_embeddings,
        labels=cell.bundle.labels,
        accepted=form.accepted,
        reason=form.reason,
        latency=_latency(sampled, options),
        throughput=Throughput(
            batch_tokens=BATCH_TOKENS,
            reviews=len(workload.texts),
            tokens=workload.tokens,
            passes_s=passes,
        ),
        memory=_memory(starts, peaks),
        cold=ColdStart(
            processes_ms=[process.cold_ms for process in starts],
            load_ms=[process.started["load_ms"] for process in starts],
        ),
        energy=Energy(),
        size_bytes=form.bytes + cell.bundle.shared_bytes,
        predictions=form.predictions,
        regime=form.regime,
        trained_on=cell.bundle.corpus,
        corpus=workload.identity,
        warnings=warnings + _stability_warnings(sampled),
        hardware=hardware_fingerprint(),
        software=software_versions(),
    )


def _latency(sampled: list[Sampled], options: ProfileOptions) -> Latency:
    note = None
    if not closed(sampled[0].ms):
        note = (
            f"the 95 % interval of the median did not close to ±3 % within {options.time_limit_s:g} s"
            f" ({len(sampled[0].ms)} samples a process)"
        )
    return Latency(processes_ms=[process.ms for process in sampled], note=note)


def _memory(starts: list[MeasuredProcess], peaks: list[tuple[int | None, str | None]]) -> Memory:
    loads = [process.started["load_bytes"] for process in starts if process.started["load_bytes"] is not None]
    known = [peak for peak, _ in peaks if peak is not None]
    return Memory(load_bytes=max(loads, default=None), peak_bytes=max(known, default=None), source=peaks[0][1])


def _isa_warning(form: FormRecord) -> list[str]:
    """Say when a quantized form was made for instructions that this CPU lacks: its sums may saturate here."""
    if form.isa is None or runs_natively(form.isa) is not False:
        return []
    return [f"the form was made for and checked on {form.isa}, which this CPU lacks: its accuracy may be lower here"]


def _routing_warning(cell: Cell, workload: Workload) -> list[str]:
    """Say when a cascade was fed with what it does not route as it routes reviews."""
    if cell.bundle.cascade is None or workload.identity.inputs == "reviews":
        return []
    return [
        f"{cell.name} is a cascade and was timed on words, not on reviews: which go on to its large member is then"
        " chance, and so is its latency"
    ]


def _busy_warning() -> list[str]:
    busy = psutil.cpu_percent(interval=0.2)
    if busy <= BUSY_PERCENT:
        return []
    return [f"the CPU was {busy:.0f} % busy with other work just before the measurement"]


def _stability_warnings(sampled: list[Sampled]) -> list[str]:
    warnings = []
    if not all(process.stable for process in sampled):
        warnings.append("latency was still drifting when warm-up ended")
    medians = [float(np.median(process.ms)) for process in sampled]
    if len(medians) > 1 and max(medians) > 1.1 * min(medians):
        warnings.append(
            f"the medians of the processes differ by {100 * (max(medians) / min(medians) - 1):.0f} %:"
            " other work on this machine, or a changing clock"
        )
    return warnings
