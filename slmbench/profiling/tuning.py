"""``slmbench tune``: the fastest form, provider, threads, workers and token budget of a bundle on this machine.

Every candidate gets a fresh process per round, in an order that is reversed from round to round, so that a slow
minute does not affect only one of them. After each round candidates far behind the fastest are dropped (successive
halving without the halving: Jamieson & Talwalkar, AISTATS 2016), and so are those that give other labels than the
exported form. The winner is tried with every token budget and number of workers, and compared with the untuned bundle
as ``versus`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT, Progress
from slmbench.edge.runtime import BundleFiles
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.instruments.tuned import tuning_path
from slmbench.profiling.agreement import check_served
from slmbench.profiling.backends import ONNXRUNTIME, OPENVINO
from slmbench.profiling.bundle_cells import BundleCell, find_bundle_cells
from slmbench.profiling.conditions import Seen, conditions_of, why_unsteady
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.sampling import sample
from slmbench.profiling.sweeps import points_of, thread_counts, token_budgets
from slmbench.profiling.versus import PAIRS, measure_pairs
from slmbench.profiling.workload import Workload, choose_workload
from slmbench.records import BundleRecord, Served, write_record
from slmbench.records.sweep import ONE_AT_A_TIME, SweepPoint
from slmbench.records.tuning import BudgetLabels, Candidate, Crew, Setting, TuningRecord, fastest_of
from slmbench.records.versus import ProcessPair

#: As many as the processes of a profile, because processes differ more than the samples within one.
ROUNDS = 5
#: A candidate slower than another by more than this factor is dropped.
MAX_SLOWDOWN = 1.25
#: Shares of the time: single reviews with every setting, token budgets with the winner, winner versus untuned.
SINGLE_SHARE, BUDGET_SHARE, UNTUNED_SHARE = 0.5, 0.3, 0.2


def tune(
    bundle: str | Path, *, time_limit_s: float = 60.0, command: Sequence[str] = (), progress: Progress = SILENT
) -> TuningRecord:
    """Find the fastest settings of a bundle on this machine, and keep them for the edge runtime.

    Only forms that the export accepted are tried. A setting or token budget that gives other labels than those the
    form's accuracy was computed from is not chosen (:attr:`slmbench.records.Served.too_many`), where the
    corpus's reviews are on this machine.

    Args:
        bundle: The bundle's folder.
        time_limit_s: Approximate sampling time (s), loading not counted.
        command: The command line, for the record.
        progress: Where to report progress.

    Returns:
        The record, written.

    Raises:
        UsageError: There is no such bundle, there are several, or the time limit is not above 0.
        SlmbenchError: The bundle has no accepted form, or none of the candidates runs.
    """
    options = ProfileOptions(time_limit_s=time_limit_s, processes=ROUNDS)
    options.check()
    cells = find_bundle_cells([Path(bundle)], options)
    accepted = [cell for cell in cells if cell.bundle.forms[cell.form].accepted]
    if len({cell.folder for cell in cells}) > 1:
        raise UsageError(f"{bundle} holds several bundles: name one")
    if not accepted:
        raise SlmbenchError(f"{bundle} has no accepted form to tune")
    record = accepted[0].bundle
    workload = choose_workload(record, accepted[0].folder, progress)
    task = {"loader": ONNXRUNTIME.loader, "folder": str(accepted[0].folder), "texts": workload.texts}
    seen: list[Seen] = []
    settings = settings_of(accepted, progress)
    candidates = _single(task, settings, record, workload, time_limit_s * SINGLE_SHARE, seen, progress)
    candidates, best = _fastest_with_right_labels(task, candidates, record, workload)
    chosen = task | _task_of(best)
    batches, crews = _many(chosen, record, workload, time_limit_s * BUDGET_SHARE, seen, progress)
    untuned_form = BundleFiles.open(accepted[0].folder).choose_form(None)
    pairs: list[ProcessPair] = []
    if len(settings) > 1:
        untuned = task | {"form": untuned_form, "threads": None, "device": "cpu"}
        pairs = _compare_with_untuned(chosen, untuned, time_limit_s * UNTUNED_SHARE, seen, progress)
    conditions, hardware = conditions_of(seen), hardware_fingerprint()
    found = TuningRecord(
        name=f"{accepted[0].folder.resolve().name}.tuned",
        command=list(command),
        bundle=record.name,
        seal=record.seal or "",
        candidates=candidates,
        batches=batches,
        crews=crews,
        budget_labels=_budget_labels(task, best, record, workload, batches, crews),
        rounds=ROUNDS,
        untuned_form=untuned_form,
        pairs=pairs,
        corpus=workload.identity,
        warnings=why_unsteady(conditions, hardware, suspected=False),
        conditions=conditions,
        hardware=hardware,
        software=software_versions(),
    )
    write_record(found, tuning_path(found.seal))
    return found


def settings_of(cells: Sequence[BundleCell], progress: Progress = SILENT) -> list[Setting]:
    """Return every form with every available provider and every number of threads to try."""
    record = cells[0].bundle
    threads = thread_counts() if record.needs_onnxruntime else [1]
    providers = providers_here(record, progress)
    return [
        Setting(form=cell.form, provider=provider, threads=count)
        for cell in cells
        for provider in providers
        for count in threads
    ]


def providers_here(record: BundleRecord, progress: Progress = SILENT) -> list[str]:
    """Return the edge runtime's providers that a bundle can use and that are available; others would only fail."""
    if not record.needs_onnxruntime:
        return ["cpu"]
    found = ["cpu"]
    for provider, reason in (("cuda", ONNXRUNTIME.missing("cuda")), ("openvino", OPENVINO.missing("cpu"))):
        if reason is None:
            found.append(provider)
        else:
            progress.say(f"{provider} is not tried: {reason}")
    return found


def _single(
    task: dict[str, Any],
    settings: Sequence[Setting],
    record: BundleRecord,
    workload: Workload,
    budget_s: float,
    seen: list[Seen],
    progress: Progress,
) -> list[Candidate]:
    """Time single reviews with every setting, in rounds; those far behind or wrong are dropped after each."""
    times: dict[Setting, list[list[float]]] = {setting: [] for setting in settings}
    failures: dict[Setting, str] = {}
    running = list(settings)
    with progress.task("settings", total=ROUNDS * len(settings), unit="processes") as bar:
        for number in range(ROUNDS):
            for setting in running if number % 2 == 0 else running[::-1]:
                share = budget_s / ROUNDS / len(running)
                try:
                    with MeasuredProcess(task | _task_of(setting)) as process:
                        sampled = sample(process, share, reviews=len(workload.texts))
                except SlmbenchError as error:
                    failures[setting] = str(error)
                else:
                    times[setting].append(sampled.ms)
                    seen.append(sampled.seen)
                    served = check_served(
                        [sampled.labels], workload, record.forms[setting.form].predictions, record.labels
                    )
                    if served is not None and served.too_many:
                        failures[setting] = _other_labels(served)
                bar.advance()
            running = [setting for setting in running if setting not in failures]
            if number == 0:
                running = _without_wrong_leaders(task, running, times, record, workload, failures)
            ahead = [one for one in running if not any(_far_behind(times[one], times[two]) for two in running)]
            running = ahead or running
    # Finalists are compared by their medians, so each is cut to the reviews that all of them got to.
    finalists = [rounds for rounds in times.values() if len(rounds) == ROUNDS]
    for number in range(ROUNDS):
        fewest = min((len(rounds[number]) for rounds in finalists), default=0)
        for rounds in finalists:
            del rounds[number][fewest:]
    return [
        Candidate(
            setting=setting,
            processes_ms=times[setting],
            reviews=len(workload.texts),
            failure=failures.get(setting),
        )
        for setting in settings
    ]


def _far_behind(rounds: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> bool:
    """Return whether a setting is far slower than another on the reviews that both got to in each round."""
    both = list(zip(rounds, others, strict=True))
    own, other = (
        float(np.median([ms for pair in both for ms in pair[which][: min(map(len, pair))]])) for which in (0, 1)
    )
    return own > MAX_SLOWDOWN * other


def _without_wrong_leaders(
    task: dict[str, Any],
    running: Sequence[Setting],
    times: dict[Setting, list[list[float]]],
    record: BundleRecord,
    workload: Workload,
    failures: dict[Setting, str],
) -> list[Setting]:
    """Refuse the fastest settings for their labels until one gives the right ones, before slower ones are dropped."""
    left = sorted(running, key=lambda setting: float(np.median(times[setting][0])))
    while left and (served := _labels_of(task, left[0], record, workload)) and served.too_many:
        failures[left.pop(0)] = _other_labels(served)
    return [setting for setting in running if setting in left]


def _fastest_with_right_labels(
    task: dict[str, Any], candidates: Sequence[Candidate], record: BundleRecord, workload: Workload
) -> tuple[list[Candidate], Setting]:
    """Return the candidates, and the fastest of them that gives the right labels to all reviews of the workload.

    While a setting is timed, time may be over after ten reviews, which show little of its labels.

    Raises:
        SlmbenchError: There is none.
    """
    checked = list(candidates)
    while True:
        try:
            best = fastest_of(checked, ROUNDS)
        except ValueError:
            reasons = "; ".join(filter(None, map(_failure, checked)))
            raise SlmbenchError(f"no setting can be chosen: {reasons}") from None
        served = _labels_of(task, best.setting, record, workload)
        wrong = _other_labels(served) if served is not None and served.too_many else None
        checked[checked.index(best)] = best.model_copy(update={"labels": served, "failure": wrong})
        if wrong is None:
            return checked, best.setting


def _many(
    chosen: dict[str, Any],
    record: BundleRecord,
    workload: Workload,
    budget_s: float,
    seen: list[Seen],
    progress: Progress,
) -> tuple[list[SweepPoint], list[Crew]]:
    """Time passes over the reviews with every token budget, by one worker and by several that share the cores."""
    counts = thread_counts() if record.needs_onnxruntime and chosen["device"] != "cuda" else [1]
    shares = {workers: max(1, counts[-1] // workers) for workers in counts[1:]}
    tasks = {1: chosen} | {
        workers: chosen | {"workers": workers, "threads": threads} for workers, threads in shares.items()
    }
    limits = ProfileOptions(time_limit_s=budget_s / len(tasks), processes=ROUNDS)
    passes: dict[int, list[dict[int, list[float]]]] = {workers: [] for workers in tasks}
    reviews = None
    with progress.task(
        f"token budgets and workers of {record.name}", total=ROUNDS * len(tasks), unit="processes"
    ) as bar:
        for number in range(ROUNDS):
            for workers in list(tasks)[:: 1 if number % 2 == 0 else -1]:
                times, reviews = token_budgets(tasks[workers], workload, limits, seen, reviews)
                passes[workers].append(times)
                bar.advance()
    crews = [
        Crew(workers=workers, threads=threads, batches=points_of(passes[workers]))
        for workers, threads in shares.items()
    ]
    return points_of(passes[1]), crews


def _labels_of(
    task: dict[str, Any], setting: Setting, record: BundleRecord, workload: Workload, batch_tokens: int | None = None
) -> Served | None:
    """Let a fresh process label all reviews of the workload; ``None`` where words are timed, which have no labels."""
    if workload.row_ids is None:
        return None
    request = {"do": "answers", "rows": list(range(len(workload.texts))), "batch_tokens": batch_tokens}
    with MeasuredProcess(task | _task_of(setting)) as process:
        labels = np.argmax(process.ask(request)["probabilities"], axis=1).tolist()
    return check_served([labels], workload, record.forms[setting.form].predictions, record.labels)


def _other_labels(served: Served) -> str:
    return f"{served.differing} of {served.reviews} reviews got another label than where the form was exported"


def _budget_labels(
    task: dict[str, Any],
    setting: Setting,
    record: BundleRecord,
    workload: Workload,
    batches: Sequence[SweepPoint],
    crews: Sequence[Crew],
) -> list[BudgetLabels]:
    """Check the labels given in batches, the fastest budget first, until one gives the right ones.

    Single reviews were checked with the settings. Several workers give the labels of one.
    """
    found: list[BudgetLabels] = []
    points = [*batches, *(point for crew in crews for point in crew.batches)]
    for point in sorted(points, key=lambda point: point.p50_ms):
        if point.value == ONE_AT_A_TIME or (found and not found[-1].refused):
            break
        if any(labels.value == point.value for labels in found):
            continue
        served = _labels_of(task, setting, record, workload, point.value)
        if served is not None:
            found.append(BudgetLabels(value=point.value, served=served, refused=served.too_many))
    return found


def _compare_with_untuned(
    chosen: dict[str, Any], untuned: dict[str, Any], budget_s: float, seen: list[Seen], progress: Progress
) -> list[ProcessPair]:
    """Time the chosen setting and the untuned bundle alternately; no pairs where they cannot be loaded together."""
    with progress.task("chosen versus untuned", total=PAIRS, unit="pairs") as bar:
        try:
            return measure_pairs(chosen, untuned, PAIRS, budget_s, seen, bar.advance)[0]
        except SlmbenchError as error:
            progress.say(f"not compared with the untuned bundle: {error}")
            return []


def _task_of(setting: Setting) -> dict[str, Any]:
    return {"form": setting.form, "threads": setting.threads, "device": setting.provider}


def _failure(candidate: Candidate) -> str | None:
    return candidate.failure and f"{candidate.setting.title}: {candidate.failure}"
