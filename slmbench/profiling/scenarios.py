"""What is timed: reviews one at a time, batches, or reviews that arrive by chance and wait for one another.

The three follow MLPerf Inference (Reddi et al., ISCA 2020, § III-C): single stream, offline, and server with Poisson
arrivals. Each runs in fresh processes; what a scenario returns is raw, statistics are the record's.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from slmbench.common.errors import SlmbenchError
from slmbench.instruments.energy import measure_energy
from slmbench.profiling.conditions import Seen, Watch, cpu_seconds
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.sampling import PRECISION, closed, sample, warm_up
from slmbench.records.energy import Energy
from slmbench.records.profile import ServerLoad, ServerTrial
from slmbench.statistics import PERCENTILE_SAMPLES, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slmbench.common.progress import Task
    from slmbench.instruments.energy import EnergySources
    from slmbench.profiling.profile_options import ProfileOptions

#: Throughput passes in each process of the single scenario, and the fewest of the offline scenario.
PASSES = 2
#: Reviews of the batches before them that are not timed: enough to fill a few.
WARM_UP_REVIEWS = 32
#: Seed of the gaps between arrivals; each process has the next.
SEED = 0
#: How long a trial in the search for a rate takes, and its fewest requests: a queue needs time to grow.
TRIAL_S, TRIAL_REQUESTS = 3.0, 200
#: Of a trial's requests so many may be late: the rest are the 95th percentile.
LATE_SHARE = 0.05
#: Halvings of the search; a rate is found to 1/64 of what the server can serve at all.
HALVINGS = 6
#: A rate that was found is verified in all processes, and lowered by a tenth so many times if it does not hold.
VERIFICATIONS, STEP_DOWN = 6, 0.9
FEWEST_REQUESTS, MOST_REQUESTS = 10, 5000
#: Reviews in one request under the energy meter: enough that the parent, which is metered too, has little to do.
ENERGY_ROWS = 20


@dataclass
class Measured:
    """What the processes of a cell were seen to do, one entry a process."""

    starts: list[MeasuredProcess] = field(default_factory=list)
    latency_ms: list[list[float]] = field(default_factory=list)
    #: In the single scenario, the number of the label given, of each sample.
    labels: list[list[int]] = field(default_factory=list)
    passes_s: list[list[float]] = field(default_factory=list)
    #: Memory at the end of the scenario's own samples, and at the very end.
    memory: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    stable: list[bool] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    load: ServerLoad | None = None
    energy: Energy = field(default_factory=Energy)
    note: str | None = None
    warnings: list[str] = field(default_factory=list)


def run_scenario(task: dict[str, Any], options: ProfileOptions, sources: EnergySources, bar: Task) -> Measured:
    """Measure one cell in the scenario of the options.

    Args:
        task: What the worker is told.
        options: How to measure.
        sources: What tells energy; it is asked in the last process, once everything is timed.
        bar: Advanced by one for each process.

    Raises:
        SlmbenchError: The bundle does not load, the process died, or no rate keeps the bound.
    """
    run = {"single": _single, "offline": _offline, "server": _server}[options.scenario]
    return run(_Cell(task, options, sources, bar))


@dataclass(frozen=True)
class _Cell:
    """What is measured, how, and where to say how far it is."""

    task: dict[str, Any]
    options: ProfileOptions
    sources: EnergySources
    bar: Task

    def processes(self, measured: Measured) -> Iterator[MeasuredProcess]:
        """Yield fresh processes, one after another, each ended before the next is started."""
        for left in reversed(range(self.options.processes)):
            with MeasuredProcess(self.task) as process:
                measured.starts.append(process)
                yield process
                if not left:
                    measured.energy = energy_of(process, self.task["texts"], self.options, self.sources)
            self.bar.advance()


def _single(cell: _Cell) -> Measured:
    measured, options = Measured(), cell.options
    for process in cell.processes(measured):
        count = len(measured.latency_ms[0]) if measured.latency_ms else None
        reviews = len(cell.task["texts"])
        sampled = sample(process, options.time_limit_s / options.processes, count, reviews=reviews)
        measured.latency_ms.append(sampled.ms)
        measured.labels.append(sampled.labels)
        measured.stable.append(sampled.stable)
        measured.seen.append(sampled.seen)
        # The peak of serving one review at a time: larger batches would hide it.
        memory = process.ask({"do": "memory", "phase": "samples"})
        _warm_up_batches(process, options)
        measured.passes_s.append([_pass(process, options) for _ in range(PASSES)])
        measured.memory.append((memory, process.ask({"do": "memory", "phase": "batches"})))
    measured.note = _not_closed(measured.latency_ms[0], "median", "samples", options)
    return measured


def _offline(cell: _Cell) -> Measured:
    measured, options = Measured(), cell.options
    for process in cell.processes(measured):
        measured.stable.append(warm_up(process))
        _warm_up_batches(process, options)
        watch = Watch(process.pid)
        count = len(measured.passes_s[0]) if measured.passes_s else None
        measured.passes_s.append(_passes(process, options, count, watch))
        measured.latency_ms.append(
            process.ask({"do": "batches", "batch_tokens": options.batch_tokens, "each": True})["ms"]
        )
        measured.seen.append(watch.end())
        memory = process.ask({"do": "memory", "phase": "batches"})
        measured.memory.append((memory, memory))
    measured.note = _not_closed(measured.passes_s[0], "median pass", "passes", options)
    return measured


def _not_closed(samples: list[float], median: str, things: str, options: ProfileOptions) -> str | None:
    """Return a sentence when the first process took all its time and its median's interval is still too wide."""
    if closed(samples):
        return None
    return (
        f"the 95 % interval of the {median} did not close to ±{100 * PRECISION:.0f} % within"
        f" {options.time_limit_s:g} s ({len(samples)} {things} a process)"
    )


def _passes(process: MeasuredProcess, options: ProfileOptions, count: int | None, watch: Watch) -> list[float]:
    """Time passes until the interval of their median closes or time is over, or as many as the first process did."""
    deadline = time.monotonic() + options.time_limit_s / options.processes
    taken: list[float] = []
    while len(taken) < (PASSES if count is None else count) or (
        count is None and time.monotonic() < deadline and not closed(taken)
    ):
        taken.append(_pass(process, options))
        watch.look()
    return taken


def _warm_up_batches(process: MeasuredProcess, options: ProfileOptions) -> None:
    """Run a few batches that are not timed: the first of a size lays out memory that the next ones find."""
    process.ask({"do": "batches", "batch_tokens": options.batch_tokens, "reviews": WARM_UP_REVIEWS})


def _pass(process: MeasuredProcess, options: ProfileOptions) -> float:
    return process.ask({"do": "batches", "batch_tokens": options.batch_tokens})["s"]


def _server(cell: _Cell) -> Measured:
    if cell.options.qps is not None:
        measured, load = _serve(cell, cell.options.qps)
        measured.load = load
        return measured
    bound = cell.options.max_p95_ms or 0.0
    with MeasuredProcess(cell.task) as process:
        trials = highest_rate(process, bound)
    rate = max(trial.qps for trial in trials if trial.holds)
    for left in reversed(range(VERIFICATIONS)):
        measured, load = _serve(cell, rate)
        samples = [ms for one in measured.latency_ms for ms in one]
        found = percentile(samples, 95)
        if found <= bound or not left:
            break
        rate *= STEP_DOWN
    measured.load = load.model_copy(update={"max_p95_ms": bound, "trials": trials})
    if found > bound:
        measured.warnings.append(
            f"at {rate:.3g} reviews a second the p95 of all processes was {found:.3g} ms, above the {bound:g} ms that"
            " the search found it to keep: the highest rate lies below"
        )
    elif len(samples) < PERCENTILE_SAMPLES[95]:
        measured.warnings.append(
            f"the rate was verified with {len(samples)} requests only: a p95 needs {PERCENTILE_SAMPLES[95]};"
            " raise --time-limit"
        )
    return measured


def _serve(cell: _Cell, qps: float) -> tuple[Measured, ServerLoad]:
    """Let reviews arrive at a rate, in every process."""
    measured, options = Measured(), cell.options
    waits: list[list[float]] = []
    seconds: list[float] = []
    requests = round(qps * options.time_limit_s / options.processes)
    requests = min(MOST_REQUESTS, max(FEWEST_REQUESTS, requests))
    for number, process in enumerate(cell.processes(measured)):
        measured.stable.append(warm_up(process))
        watch = Watch(process.pid)
        due = arrivals(requests, qps, SEED + number)
        # Where the queue grows, the last of many reviews would be served long after the time limit.
        limit_s = due[-1] + options.time_limit_s / options.processes
        answer = process.ask({"do": "serve", "arrivals_s": due, "limit_s": limit_s})
        measured.latency_ms.append(answer["ms"])
        waits.append(answer["wait_ms"])
        seconds.append(answer["s"])
        measured.seen.append(watch.end())
        memory = process.ask({"do": "memory", "phase": "samples"})
        measured.memory.append((memory, memory))
    load = ServerLoad(qps=qps, seed=SEED, processes_wait_ms=waits, processes_s=seconds)
    service = sum(map(sum, measured.latency_ms)) - sum(map(sum, waits))
    capacity = sum(map(len, waits)) / (service / 1e3)
    if capacity <= qps:
        measured.warnings.append(
            f"{qps:g} reviews a second arrive and {capacity:.3g} can be served: the queue grows as long as it runs,"
            " and so does the latency"
        )
    return measured, load


def energy_of(
    process: MeasuredProcess, texts: Sequence[str], options: ProfileOptions, sources: EnergySources
) -> Energy:
    """Measure, or estimate, what a review takes in this process: in batches offline, else one at a time.

    All reviews get their turn, round and round: the first ones alone would be the energy of their lengths.
    """
    rows = cycle(range(len(texts)))

    def work() -> int:
        if options.scenario == "offline":
            process.ask({"do": "batches", "batch_tokens": options.batch_tokens})
            return len(texts)
        process.ask({"do": "single", "rows": [next(rows) for _ in range(ENERGY_ROWS)]})
        return ENERGY_ROWS

    child = psutil.Process(process.pid)
    return measure_energy(work, sources, lambda: cpu_seconds(child))


def arrivals(requests: int, qps: float, seed: int) -> list[float]:
    """Return the seconds at which reviews arrive in a Poisson process: gaps are exponential and independent."""
    gaps = np.random.default_rng(seed).exponential(1 / qps, requests)
    return np.cumsum(gaps).tolist()


def highest_rate(process: MeasuredProcess, bound_ms: float) -> list[ServerTrial]:
    """Search for the highest rate at which 95 % of reviews are answered within a bound, by bisection.

    Every trial has the same arrivals, closer together at a higher rate, and the same reviews, so that trials differ
    in the rate alone (common random numbers; Law, *Simulation Modeling and Analysis*, § 11.2).

    Args:
        process: A fresh process.
        bound_ms: The bound.

    Returns:
        The trials in the order made; at least one of them holds.

    Raises:
        SlmbenchError: Not even reviews that never wait keep the bound, or no rate tried does.
    """
    warm_up(process)
    alone = process.ask({"do": "single", "rows": list(range(PERCENTILE_SAMPLES[95]))})["ms"]
    if (p95 := percentile(alone, 95)) > bound_ms:
        raise SlmbenchError(
            f"no rate keeps a p95 of {bound_ms:g} ms: reviews that do not wait for others have one of {p95:.3g} ms"
        )
    low, high = 0.0, 1e3 / (math.fsum(alone) / len(alone))
    trials: list[ServerTrial] = []
    for _ in range(HALVINGS):
        rate = (low + high) / 2
        requests = min(MOST_REQUESTS, max(TRIAL_REQUESTS, round(rate * TRIAL_S)))
        allowed = int(requests * LATE_SHARE)
        due = arrivals(requests, rate, SEED)
        answer = process.ask({"do": "serve", "arrivals_s": due, "late_ms": bound_ms, "most_late": allowed})
        holds = answer["late"] <= allowed
        trials.append(ServerTrial(qps=rate, requests=len(answer["ms"]), late=answer["late"], holds=holds))
        low, high = (rate, high) if holds else (low, rate)
    if not any(trial.holds for trial in trials):
        raise SlmbenchError(
            f"no rate from {low + (high - low) / 2:.2g} reviews a second on keeps a p95 of {bound_ms:g} ms"
        )
    return trials
