"""``slmbench tune``: the fastest form, provider, threads and token budget of a bundle on this machine.

Every candidate gets a fresh process a round, in turns, the order reversed from round to round, so that a slow minute
does not fall on one of them; after each round those far behind the fastest are given up (successive halving without
the halving: Jamieson & Talwalkar, AISTATS 2016). The winner is then tried with every token budget.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.edge.tuned import tuning_path
from slmbench.errors import SlmbenchError
from slmbench.hardware import hardware_fingerprint, software_versions
from slmbench.profiling.cells import ProfileOptions, find_cells
from slmbench.profiling.conditions import Seen, conditions_of
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.sampling import sample
from slmbench.profiling.sweeps import points_of, thread_counts, token_budgets
from slmbench.profiling.workload import choose_workload
from slmbench.progress import SILENT
from slmbench.records import write_record
from slmbench.records.tuning import Candidate, Setting, TuningRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.profiling.cells import Cell
    from slmbench.progress import Progress
    from slmbench.records import BundleRecord

ROUNDS = 3
#: A candidate slower than the fastest of a round by more than this factor is given up.
HOPELESS = 1.25
#: Share of the time that goes to single reviews; the rest is for token budgets.
SINGLE_SHARE = 0.6


def tune(
    bundle: Path, *, time_limit_s: float = 60.0, command: Sequence[str] = (), progress: Progress = SILENT
) -> TuningRecord:
    """Find the fastest way to run a bundle here, and keep it where the edge runtime finds it.

    Only forms that the export accepted are tried: what is fast must not be wrong.

    Args:
        bundle: The bundle's folder.
        time_limit_s: About how long to sample, loading not counted.
        command: The command line, for the record.
        progress: Where to say how far it is.

    Returns:
        The record, written.

    Raises:
        UsageError: There is no such bundle, or the time limit is not above 0.
        SlmbenchError: The bundle has no accepted form, or none of the candidates runs.
    """
    options = ProfileOptions(time_limit_s=time_limit_s, processes=ROUNDS)
    options.check()
    cells = find_cells([bundle], options)
    accepted = [cell for cell in cells if cell.bundle.forms[cell.form].accepted]
    if len({cell.folder for cell in cells}) > 1 or not accepted:
        what = "holds several bundles: name one" if accepted else "has no accepted form to tune"
        raise SlmbenchError(f"{bundle} {what}")
    record = accepted[0].bundle
    workload = choose_workload(record, accepted[0].folder, progress)
    task = {"bundle": str(accepted[0].folder), "texts": workload.texts}
    seen: list[Seen] = []
    candidates = _single(task, settings_of(accepted), time_limit_s * SINGLE_SHARE, seen, progress)
    best = min((one for one in candidates if len(one.processes_ms) == ROUNDS), key=_median, default=None)
    if best is None:
        raise SlmbenchError(f"no candidate could be measured: {'; '.join(filter(None, map(_failure, candidates)))}")
    limits = replace(options, time_limit_s=time_limit_s * (1 - SINGLE_SHARE))
    passes = []
    with progress.task(f"token budgets of {record.name}", total=ROUNDS, unit="processes") as bar:
        for _ in range(ROUNDS):
            passes.append(token_budgets(task | _asked(best.setting), workload, limits, seen))
            bar.advance()
    found = TuningRecord(
        name=f"{accepted[0].folder.resolve().name}.tuned",
        command=list(command),
        bundle=record.name,
        seal=record.seal or "",
        candidates=candidates,
        batches=points_of(passes),
        rounds=ROUNDS,
        corpus=workload.identity,
        conditions=conditions_of(seen),
        hardware=hardware_fingerprint(),
        software=software_versions(),
    )
    write_record(found, tuning_path(found.seal))
    return found


def settings_of(cells: Sequence[Cell]) -> list[Setting]:
    """Return every form with every provider that is installed and every number of threads worth trying."""
    record = cells[0].bundle
    threads = thread_counts() if record.needs_onnxruntime else [1]
    providers = providers_here(record)
    return [
        Setting(form=cell.form, provider=provider, threads=count)
        for cell in cells
        for provider in providers
        for count in threads
    ]


def providers_here(record: BundleRecord) -> list[str]:
    """Return the edge runtime's providers that a bundle can use and that are installed; others would only fail."""
    if not record.needs_onnxruntime:
        return ["cpu"]
    import onnxruntime

    available = onnxruntime.get_available_providers()
    found = ["cpu"]
    if "CUDAExecutionProvider" in available:
        found.append("cuda")
    if "OpenVINOExecutionProvider" in available or importlib.util.find_spec("onnxruntime_ep_openvino") is not None:
        found.append("openvino")
    return found


def _single(
    task: dict[str, Any], settings: Sequence[Setting], budget_s: float, seen: list[Seen], progress: Progress
) -> list[Candidate]:
    """Time single reviews with every setting, in rounds; those far behind are given up after each."""
    times: dict[Setting, list[list[float]]] = {setting: [] for setting in settings}
    failures: dict[Setting, str] = {}
    running = list(settings)
    with progress.task("settings", total=ROUNDS * len(settings), unit="processes") as bar:
        for number in range(ROUNDS):
            for setting in running if number % 2 == 0 else running[::-1]:
                share = budget_s / ROUNDS / len(running)
                try:
                    with MeasuredProcess(task | _asked(setting)) as process:
                        sampled = sample(process, share)
                except SlmbenchError as error:
                    failures[setting] = str(error)
                else:
                    times[setting].append(sampled.ms)
                    seen.append(sampled.seen)
                bar.advance()
            medians = {
                setting: float(np.median(np.concatenate(times[setting])))
                for setting in running
                if setting not in failures
            }
            fastest = min(medians.values(), default=0.0)
            running = [setting for setting, median in medians.items() if median <= HOPELESS * fastest]
    return [
        Candidate(setting=setting, processes_ms=times[setting], failure=failures.get(setting)) for setting in settings
    ]


def _asked(setting: Setting) -> dict[str, Any]:
    return {"form": setting.form, "threads": setting.threads, "provider": setting.provider}


def _median(candidate: Candidate) -> float:
    return candidate.p50_ms or float("inf")


def _failure(candidate: Candidate) -> str | None:
    return candidate.failure and f"{candidate.setting.title}: {candidate.failure}"
