"""The ``profile`` stage: bundle folders in, one measured record a form out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from slmbench.energy import find_sources, grid_factor
from slmbench.errors import SlmbenchError, UsageError
from slmbench.hardware import hardware_fingerprint, runs_natively, software_versions, usable_cores
from slmbench.profiling.cells import Cell, ProfileOptions, find_cells, measure_each, profile_key, profile_name
from slmbench.profiling.conditions import NOTABLE_SHARE, causes, conditions_of
from slmbench.profiling.scenarios import Measured, run_scenario
from slmbench.profiling.workload import Workload, choose_workload
from slmbench.progress import SILENT
from slmbench.records import (
    ColdStart,
    Conditions,
    FormRecord,
    Latency,
    Memory,
    MemoryPhase,
    ProfileRecord,
    Throughput,
    write_record,
)
from slmbench.roofline import machine_ceiling, roofline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from slmbench.progress import Progress
    from slmbench.records.roofline import Roofline

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
    cells = find_cells(bundles, options)
    for record in measure_each(cells, lambda cell: measure(cell, options, command, progress), failed):
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
    hardware = hardware_fingerprint()
    task = {"bundle": str(cell.folder), "form": cell.form, "threads": threads, "texts": workload.texts}
    with progress.task(f"profiling {cell.name}", total=options.processes, unit="processes") as bar:
        measured = run_scenario(task, options, find_sources(hardware, options.device), bar)
    conditions = conditions_of(measured.seen)
    latency = Latency(
        processes_ms=measured.latency_ms,
        reviews=len(workload.texts) if options.scenario == "single" else None,
        note=measured.note,
    )
    return ProfileRecord(
        name=profile_name(cell, options),
        key=profile_key(cell, options),
        command=list(command),
        bundle=cell.bundle.name,
        form=cell.form,
        backend=options.backend if cell.bundle.needs_onnxruntime else "numpy",
        device=options.device,
        threads=threads if cell.bundle.needs_onnxruntime else 1,
        scenario=options.scenario,
        model=cell.bundle.model,
        method=cell.bundle.method,
        architecture=cell.bundle.architecture,
        total_parameters=cell.bundle.total_parameters,
        parameters_without_embeddings=cell.bundle.parameters_without_embeddings,
        labels=cell.bundle.labels,
        accepted=form.accepted,
        reason=form.reason,
        latency=latency,
        throughput=_throughput(measured, options, workload),
        memory=_memory(measured, form),
        cold=ColdStart(
            processes_ms=[process.cold_ms for process in measured.starts],
            load_ms=[process.started["load_ms"] for process in measured.starts],
        ),
        energy=measured.energy.model_copy(update={"grid": grid_factor(options.grid) if options.grid else None}),
        roofline=_roofline(form, workload, latency, options, threads, progress),
        size_bytes=form.bytes + cell.bundle.shared_bytes,
        predictions=form.predictions,
        regime=form.regime,
        trained_on=cell.bundle.corpus,
        corpus=workload.identity,
        warnings=warnings + measured.warnings + _stability_warnings(measured, conditions, hardware),
        conditions=conditions,
        load=measured.load,
        hardware=hardware,
        software=software_versions(),
    )


def _throughput(measured: Measured, options: ProfileOptions, workload: Workload) -> Throughput | None:
    if not measured.passes_s:
        return None
    return Throughput(
        batch_tokens=options.batch_tokens,
        reviews=len(workload.texts),
        tokens=workload.tokens,
        passes_s=[seconds for process in measured.passes_s for seconds in process],
        processes_s=measured.passes_s,
    )


def _memory(measured: Measured, form: FormRecord) -> Memory:
    loads = [process.started["load_bytes"] for process in measured.starts]
    phases: dict[str, int] = {}
    for _, last in measured.memory:
        for name, peak in last["phases"].items():
            phases[name] = max(peak, phases.get(name, 0))
    return Memory(
        load_bytes=max((load for load in loads if load is not None), default=None),
        peak_bytes=max(
            (own["peak_bytes"] for own, _ in measured.memory if own["peak_bytes"] is not None), default=None
        ),
        source=measured.memory[0][0]["source"],
        phases=[MemoryPhase(name=name, peak_bytes=peak) for name, peak in phases.items()] or None,
        phases_apart=all(last["apart"] for _, last in measured.memory) if phases else None,
        model_bytes=form.bytes,
    )


def _roofline(
    form: FormRecord, workload: Workload, latency: Latency, options: ProfileOptions, threads: int, progress: Progress
) -> Roofline | None:
    """Hold single reviews against the machine's ceiling, which is measured when it is first asked for."""
    if options.scenario != "single" or form.graph is None or form.graph.operations is None:
        return None
    tokens, seconds = workload.identity.tokens_p50, latency.p50_ms / 1e3
    try:
        found = roofline_of(
            form.graph.operations, tokens, seconds, machine_ceiling(options.device, threads, progress=progress)
        )
        if found.achieved is not None and found.achieved > 1:
            # No form is faster than its products alone: the ceiling was measured while the machine did other work.
            ceiling = machine_ceiling(options.device, threads, again=True, progress=progress)
            found = roofline_of(form.graph.operations, tokens, seconds, ceiling)
    except SlmbenchError as error:
        progress.say(f"no roofline: {error}")
        return None
    return found


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


def _stability_warnings(measured: Measured, conditions: Conditions, hardware: dict[str, Any]) -> list[str]:
    """Say what was unsteady, and why as far as it can be seen; also when others used the CPU and nothing shows."""
    warnings = []
    if not all(measured.stable):
        warnings.append("latency was still drifting when warm-up ended")
    medians = [float(np.median(process)) for process in measured.latency_ms]
    if len(medians) > 1 and max(medians) > 1.1 * min(medians):
        warnings.append(f"the medians of the processes differ by {100 * (max(medians) / min(medians) - 1):.0f} %")
    others = max((share for share in conditions.others_share if share is not None), default=0.0)
    if warnings or measured.note or others > NOTABLE_SHARE:
        reasons = causes(conditions, hardware)
        warnings.append(f"why it may be unsteady: {'; '.join(reasons)}")
    return warnings
