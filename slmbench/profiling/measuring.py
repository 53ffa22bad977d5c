"""The ``profile`` stage: from folders of bundles or runs to one measured record per form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import as_paths
from slmbench.common.places import PROFILES
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import read_once
from slmbench.instruments.energy import grid_factor
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.instruments.roofline import measured_roofline
from slmbench.profiling.agreement import batches_warning, check_served, served_warning
from slmbench.profiling.bundle_cells import find_bundle_cells
from slmbench.profiling.conditions import conditions_of, why_unsteady
from slmbench.profiling.identity import check_names, check_output, profile_key, profile_name
from slmbench.profiling.outside import ServiceClient
from slmbench.profiling.prepared import AnyCell, PreparedCell, measure_each
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.sampling import DRIFTING
from slmbench.profiling.scenarios import Measured
from slmbench.profiling.torch.run_cells import find_run_cells
from slmbench.profiling.turns import Failed, PlannedCell, TimedCell, time_in_turns
from slmbench.profiling.workload import Workload
from slmbench.records import (
    ColdStart,
    Conditions,
    GpuPeaks,
    Latency,
    Memory,
    MemoryPhase,
    ProfileRecord,
    Served,
    Throughput,
    read_record,
    write_record,
)
from slmbench.records.roofline import Roofline
from slmbench.records.sessions import InSessions, MeasuringSession
from slmbench.statistics.sessions import SessionSpread, separate_sessions


def profile(
    bundles: str | Path | Sequence[str | Path] = (),
    options: ProfileOptions | None = None,
    *,
    output: str | Path = PROFILES,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    failed: Callable[[AnyCell, SlmbenchError], None] | None = None,
    **given: Any,
) -> list[ProfileRecord]:
    """Measure bundles, their forms in turns (:mod:`slmbench.profiling.turns`), and write a record of each.

    Args:
        bundles: Bundle folders, or folders of bundles; none means everything in ``exported/``. With a backend that
            measures runs (``torch``): run folders, or folders of runs; none means everything in ``runs/``.
        options: How to measure, instead of giving it one by one.
        output: Folder for the records, one JSON file per cell; an earlier one of the same cell is replaced.
        command: The command line, for the records.
        progress: Where to report progress.
        failed: Called when a cell fails, after which the others are measured; without it the failure is raised.
        **given: Attributes of :class:`ProfileOptions`, such as ``forms=("int8",), threads=2``.

    Returns:
        The records, written.

    Raises:
        UsageError: No bundle (or run) is found, or an option is out of range.
        SlmbenchError: A cell failed and ``failed`` was not given.
    """
    options, output = options or ProfileOptions(**given), Path(output)
    options.check()
    check_output(output)
    cells = find_cells(as_paths(bundles), options)
    if options.url is not None:
        cells, options = [served_cell(cells, options.url)], replace(options, threads=1)
    return profile_cells(
        [PlannedCell(cell, options) for cell in cells],
        output=output,
        command=command,
        progress=progress,
        failed=failed and (lambda planned, error: failed(planned.cell, error)),
    )


def profile_cells(
    planned: Sequence[PlannedCell],
    *,
    output: Path,
    command: Sequence[str],
    progress: Progress,
    failed: Failed | None,
) -> list[ProfileRecord]:
    """Measure cells in turns, each in its own way, and write a record of each; arguments as of :func:`profile`.

    Raises:
        UsageError: Two records would have one name.
        SlmbenchError: A cell failed and ``failed`` was not given.
    """
    check_names([profile_name(one.cell, one.options) for one in planned])
    with read_once():
        timed = time_in_turns(planned, progress, failed)
    of_timed: Callable[[TimedCell, SlmbenchError], None] | None = failed and (
        lambda one, error: failed(one.planned, error)
    )
    records = []
    for record in measure_each(timed, lambda one: _record_of(one, command, progress), of_timed):
        file = output / f"{record.name}.json"
        _say_what_is_replaced(record, file, progress)
        write_record(record, file)
        records.append(record)
    return records


def _say_what_is_replaced(record: ProfileRecord, file: Path, progress: Progress) -> None:
    """Say that a file has the profile of another bundle or run of the same name."""
    try:
        earlier = read_record(ProfileRecord, file)
    except SlmbenchError:
        return
    if earlier.source_key != record.source_key:
        progress.say(f"{file} is replaced: it was measured on another {record.bundle} ({earlier.created})")


def find_cells(paths: Sequence[Path], options: ProfileOptions) -> Sequence[AnyCell]:
    """Return what is to be measured, reading every record before anything is timed.

    Args:
        paths: Folders of bundles, or of runs where the backend measures runs; see :func:`profile`.
        options: How to measure.

    Raises:
        UsageError: A folder holds nothing of the kind, or has none of the forms.
        SlmbenchError: A record is damaged, or the backend is not available here.
    """
    if options.runs_on.takes == "run":
        return find_run_cells(paths, options)
    return find_bundle_cells(paths, options)


def served_cell(cells: Sequence[AnyCell], url: str) -> AnyCell:
    """Return which of these cells a service serves.

    Raises:
        UsageError: None.
        SlmbenchError: No service answers there.
    """
    info = ServiceClient(url).info
    for cell in cells:
        if cell.form == info["model_dtype"] and getattr(cell.source, "seal", None) == info["model_sha"]:
            return cell
    raise UsageError(
        f"{url} serves {info['model_id']} {info['model_dtype']}, which is none of these bundles: name the folder that"
        " it serves, or a copy"
    )


def _record_of(timed: TimedCell, command: Sequence[str], progress: Progress) -> ProfileRecord:
    """Return the record of a cell that was timed."""
    prepared, measured = timed.prepared, timed.measured
    cell, options = timed.planned.cell, timed.planned.options
    source, hardware = cell.source, hardware_fingerprint()
    warnings = timed.warnings + prepared.warnings
    served = check_served(measured.labels, prepared.workload, prepared.predictions, prepared.labels)
    warnings += served_warning(served, prepared) + _coverage_warning(measured, options, prepared.workload)
    batched = [measured.batch_labels] if measured.batch_labels else []
    in_batches = check_served(batched, prepared.workload, prepared.predictions, prepared.labels)
    warnings += batches_warning(in_batches)
    # What a service uses of the machine, if it is this one, is no other's.
    outside = options.url is not None
    conditions = None if outside else conditions_of(measured.seen)
    in_sessions = InSessions(sessions=_session_of_processes(timed.sessions), spread=timed.spread)
    latency = Latency(
        **dict(in_sessions),
        processes_ms=measured.latency_ms,
        further_ms=measured.further_ms or None,
        # Offline, a sample is of a batch, and every process has the same.
        reviews=len(measured.latency_ms[0] if options.scenario == "offline" else prepared.workload.texts),
        queued=options.scenario == "server",
        note=measured.note,
    )
    return ProfileRecord(
        name=profile_name(cell, options),
        key=profile_key(cell, options),
        command=list(command),
        bundle=source.name,
        source_key=source.key,
        form=cell.form,
        form_sha256=prepared.form_sha256,
        backend=prepared.backend,
        device=options.device,
        threads=prepared.threads,
        scenario=options.scenario,
        model=source.model,
        method=source.method,
        architecture=source.architecture,
        total_parameters=source.total_parameters,
        parameters_without_embeddings=source.parameters_without_embeddings,
        labels=prepared.labels,
        accepted=prepared.accepted,
        verdict=prepared.verdict,
        reason=prepared.reason,
        latency=latency,
        throughput=_throughput(measured, options, prepared.workload, in_batches, in_sessions),
        memory=Memory(load_bytes=None, peak_bytes=None, source=None) if outside else _memory(measured, prepared),
        cold=None if outside else _cold_start(measured),
        energy=measured.energy.model_copy(update={"grid": grid_factor(options.grid) if options.grid else None}),
        roofline=_roofline(prepared, latency, options, progress),
        size_bytes=prepared.size_bytes,
        runs_in=prepared.runs_in,
        predictions=prepared.predictions,
        regime=prepared.regime,
        trained_on=source.corpus,
        trained_as=source.trained_as,
        ancestors=source.ancestors,
        truncation=source.truncation,
        corpus=prepared.workload.identity,
        warnings=warnings
        + measured.warnings
        + _sentinel_warnings(timed.sessions, timed.spread)
        + _stability_warnings(measured, conditions, hardware),
        conditions=conditions,
        measured_in=timed.sessions,
        served=served,
        load=measured.load,
        sustained=measured.sustained,
        cascade=prepared.cascade,
        confirmation=prepared.confirmation.answers,
        no_confirmation=prepared.confirmation.reason,
        hardware=hardware,
        software=software_versions(options.runs_on.libraries_on(options.device)),
    )


def _session_of_processes(sessions: Sequence[MeasuringSession]) -> list[int]:
    """Return the number of the session of each process, close sessions being one."""
    began = [datetime.fromisoformat(session.began).timestamp() for session in sessions]
    numbers = separate_sessions(began)
    return [number for number, session in zip(numbers, sessions, strict=True) for _ in session.blocks]


def _throughput(
    measured: Measured, options: ProfileOptions, workload: Workload, labels: Served | None, in_sessions: InSessions
) -> Throughput | None:
    if not measured.passes_s:
        return None
    return Throughput(
        **dict(in_sessions),
        batch_tokens=options.batch_tokens,
        reviews=len(workload.texts),
        tokens=workload.tokens,
        passes_s=[seconds for process in measured.passes_s for seconds in process],
        processes_s=measured.passes_s,
        labels=labels,
    )


def _cold_start(measured: Measured) -> ColdStart:
    """Tell the start from a cold cache, where there is one, from those that follow."""
    cold = measured.starts[0].cold_ms if measured.no_cold_cache is None else None
    warm = measured.starts if cold is None else measured.starts[1:]
    return ColdStart(
        processes_ms=[process.cold_ms for process in warm],
        load_ms=[process.started["load_ms"] for process in warm],
        cold_cache_ms=cold,
        no_cold_cache=measured.no_cold_cache,
    )


def _memory(measured: Measured, prepared: PreparedCell) -> Memory:
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
        model_bytes=prepared.model_bytes,
        gpu=_gpu_peaks([own["gpu"] for own, _ in measured.memory if own["gpu"] is not None]),
    )


def _roofline(
    prepared: PreparedCell, latency: Latency, options: ProfileOptions, progress: Progress
) -> Roofline | None:
    """Compare single reviews with the machine's ceiling."""
    if options.scenario != "single" or prepared.operations is None:
        return None
    fewest = min(map(len, latency.processes_ms))
    tokens, seconds = float(np.median(prepared.workload.lengths[:fewest])), latency.p50_ms / 1e3
    try:
        return measured_roofline(
            prepared.operations, tokens, seconds, options.device, prepared.threads, progress=progress
        )
    except SlmbenchError as error:
        progress.say(f"no roofline: {error}")
        return None


def _gpu_peaks(peaks: Sequence[dict[str, Any]]) -> GpuPeaks | None:
    """Return the largest of each kind over the processes."""
    if not peaks:
        return None
    kinds = ("nvml_bytes", "allocated_bytes", "reserved_bytes")
    known = {kind: [peak[kind] for peak in peaks if peak[kind] is not None] for kind in kinds}
    largest = {kind: max(values, default=None) for kind, values in known.items()}
    return GpuPeaks(nvml_source=peaks[0]["nvml_source"], **largest)


def _coverage_warning(measured: Measured, options: ProfileOptions, workload: Workload) -> list[str]:
    """Warn when time was over before every review was timed: the first ones may have other lengths than all."""
    fewest = min(map(len, measured.latency_ms))
    if options.scenario != "single" or fewest >= len(workload.texts):
        return []
    return [
        f"only the first {fewest} of {len(workload.texts)} reviews were timed in the time limit: their median length"
        f" is {np.median(workload.lengths[:fewest]):.0f} tokens, that of all {workload.identity.tokens_p50:.0f};"
        " compare with rows of as many reviews, or raise --time-limit"
    ]


def _sentinel_warnings(sessions: Sequence[MeasuringSession], spread: SessionSpread) -> list[str]:
    """Warn when the machine became faster or slower meanwhile, or was not as fast as it usually is."""
    found = []
    for session in sessions:
        if session.is_drifting and session.drift is not None:
            change = f"{100 * abs(session.drift):.0f} % {'slower' if session.drift > 0 else 'faster'}"
            found.append(f"the machine became {change} over the blocks, by its sentinel")
        if spread.usual_ms and not spread.usual_ms[0] <= session.sentinel_ms <= spread.usual_ms[1]:
            low, high = spread.usual_ms
            found.append(
                f"the machine was not as usual: its sentinel took {session.sentinel_ms:.3g} ms, of {spread.stored}"
                f" earlier sessions {low:.3g}–{high:.3g} ms are expected: compare only with profiles of this session,"
                " or measure again"
            )
    return found


def _stability_warnings(measured: Measured, conditions: Conditions | None, hardware: dict[str, Any]) -> list[str]:
    """Warn of unsteady samples and name visible causes; also warn when other processes used the CPU."""
    warnings = []
    if not all(measured.stable):
        warnings.append(DRIFTING)
    medians = [float(np.median(process)) for process in measured.latency_ms]
    if len(medians) > 1 and max(medians) > 1.1 * min(medians):
        warnings.append(f"the medians of the processes differ by {100 * (max(medians) / min(medians) - 1):.0f} %")
    if conditions is None:
        return warnings
    return warnings + why_unsteady(conditions, hardware, suspected=bool(warnings or measured.note))
