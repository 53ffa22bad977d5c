"""Scenarios: reviews one at a time, batches, or reviews that arrive at random and queue.

They follow MLPerf Inference (Reddi et al., ISCA 2020, § III-C): single stream, offline, and server with Poisson
arrivals. Each runs in fresh processes and returns raw samples; the record computes statistics. A scenario pauses
between processes, so that several cells can be timed in turns (:mod:`slmbench.profiling.turns`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
import psutil

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Task
from slmbench.instruments.energy import EnergySources, measure_energy
from slmbench.profiling.conditions import Seen, Watch, cpu_seconds
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.sampling import PRECISION, closed, sample, warm_up
from slmbench.records.energy import Energy
from slmbench.records.profile import ServerLoad, ServerTrial
from slmbench.statistics import PERCENTILE_SAMPLES, percentile

#: Throughput passes per process: exactly so many in the single scenario, at least so many in the offline scenario.
PASSES = 2
#: Reviews of the untimed batches before them: enough to fill a few.
WARM_UP_REVIEWS = 32
#: Seed of the gaps between arrivals in the first process; each further process has the next number.
SEED = 0
#: Duration of a trial in the search for a rate, and its minimum number of requests: a queue needs time to grow.
TRIAL_S, TRIAL_REQUESTS = 3.0, 200
#: Share of a trial's requests that may be late when the p95 is to stay within a bound.
LATE_SHARE = 0.05
#: Halvings of the search: a rate is found to 1/64 of the maximum throughput.
HALVINGS = 6
#: Verifications of a rate in fresh processes; after each that fails it is multiplied by the second number.
VERIFICATIONS, STEP_DOWN = 6, 0.9
MIN_REQUESTS, MAX_REQUESTS = 10, 5000
#: Reviews per request under the energy meter: enough that the parent, which is metered too, has little to do.
ENERGY_ROWS = 20


@dataclass
class Measured:
    """Raw measurements of a cell, one entry per process."""

    starts: list[MeasuredProcess] = field(default_factory=list)
    latency_ms: list[list[float]] = field(default_factory=list)
    #: In the single scenario, the index of the label given, per sample.
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


#: A measurement that pauses between processes, when the last one has ended; it returns what was measured.
Steps = Generator[None, None, Measured]


def scenario_steps(task: dict[str, Any], options: ProfileOptions, sources: EnergySources, bar: Task) -> Steps:
    """Measure one cell in the scenario of the options, process by process.

    Args:
        task: What the measured process is told.
        options: How to measure.
        sources: Sources of energy readings; they are read in the last process, after everything is timed.
        bar: Advanced by one for each process.

    Returns:
        A generator that measures with one process whenever it is asked for its next value, and returns what was
        measured. It raises SlmbenchError when the form does not load, the process died, or no rate stays within the
        bound.
    """
    run = {"single": _single, "offline": _offline, "server": _server}[options.scenario]
    return run(_Cell(task, options, sources, bar))


@dataclass(frozen=True)
class _Cell:
    """What is measured, how, and where to report progress."""

    task: dict[str, Any]
    options: ProfileOptions
    sources: EnergySources
    bar: Task

    @contextmanager
    def process(self, measured: Measured, number: int) -> Iterator[MeasuredProcess]:
        """Start the process of a number, from 0; the last one also measures the energy before it ends."""
        with MeasuredProcess(self.task) as process:
            measured.starts.append(process)
            yield process
            if number == self.options.processes - 1:
                measured.energy = energy_of(process, self.task["texts"], self.options, self.sources)
        self.bar.advance()


def _single(cell: _Cell) -> Steps:
    measured, options = Measured(), cell.options
    for number in range(options.processes):
        if number:
            yield
        with cell.process(measured, number) as process:
            _time_reviews(cell, process, measured)
    measured.note = _interval_note(measured.latency_ms[0], "median", "samples", options)
    return measured


def _time_reviews(cell: _Cell, process: MeasuredProcess, measured: Measured) -> None:
    """Time single reviews in one process, then a few passes in batches."""
    options = cell.options
    count = len(measured.latency_ms[0]) if measured.latency_ms else None
    reviews = len(cell.task["texts"])
    sampled = sample(process, options.time_limit_s / options.processes, count, reviews=reviews)
    measured.latency_ms.append(sampled.ms)
    measured.labels.append(sampled.labels)
    measured.stable.append(sampled.stable)
    measured.seen.append(sampled.seen)
    # Peak memory of single reviews, read before the batches, which need more.
    memory = process.ask({"do": "memory", "phase": "samples"})
    _warm_up_batches(process, options)
    measured.passes_s.append([_pass(process, options) for _ in range(PASSES)])
    measured.memory.append((memory, process.ask({"do": "memory", "phase": "batches"})))


def _offline(cell: _Cell) -> Steps:
    measured, options = Measured(), cell.options
    for number in range(options.processes):
        if number:
            yield
        with cell.process(measured, number) as process:
            _time_batches(cell, process, measured)
    measured.note = _interval_note(measured.passes_s[0], "median pass", "passes", options)
    return measured


def _time_batches(cell: _Cell, process: MeasuredProcess, measured: Measured) -> None:
    """Time passes over all reviews in one process, then each batch of a pass."""
    options = cell.options
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


def _interval_note(samples: list[float], median: str, things: str, options: ProfileOptions) -> str | None:
    """Return a sentence when the time limit ended sampling before the median's interval was narrow enough."""
    if closed(samples):
        return None
    return (
        f"the 95 % interval of the {median} is wider than ±{100 * PRECISION:.0f} % after"
        f" {options.time_limit_s:g} s ({len(samples)} {things} per process)"
    )


def _passes(process: MeasuredProcess, options: ProfileOptions, count: int | None, watch: Watch) -> list[float]:
    """Time passes until the interval of their median is narrow or time is over; later processes time as many."""
    deadline = time.monotonic() + options.time_limit_s / options.processes
    taken: list[float] = []
    while len(taken) < (PASSES if count is None else count) or (
        count is None and time.monotonic() < deadline and not closed(taken)
    ):
        taken.append(_pass(process, options))
        watch.look()
    return taken


def _warm_up_batches(process: MeasuredProcess, options: ProfileOptions) -> None:
    """Run a few untimed batches: the first of each size allocates memory that later ones use again."""
    process.ask({"do": "batches", "batch_tokens": options.batch_tokens, "reviews": WARM_UP_REVIEWS})


def _pass(process: MeasuredProcess, options: ProfileOptions) -> float:
    return process.ask({"do": "batches", "batch_tokens": options.batch_tokens})["s"]


def _server(cell: _Cell) -> Steps:
    if cell.options.qps is not None:
        measured, load = yield from _serve(cell, cell.options.qps)
        measured.load = load
        return measured
    bound = cell.options.max_p95_ms or 0.0
    with MeasuredProcess(cell.task) as process:
        trials = highest_rate(process, bound)
    rate = max(trial.qps for trial in trials if trial.holds)
    for left in reversed(range(VERIFICATIONS)):
        measured, load = yield from _serve(cell, rate)
        samples = [ms for one in measured.latency_ms for ms in one]
        found = percentile(samples, 95)
        if found <= bound or not left:
            break
        rate *= STEP_DOWN
        yield
    measured.load = load.model_copy(update={"max_p95_ms": bound, "trials": trials})
    if found > bound:
        measured.warnings.append(
            f"at {rate:.3g} reviews/s the p95 of all processes was {found:.3g} ms, above the bound of {bound:g} ms:"
            " the highest rate is lower than the search found"
        )
    elif len(samples) < PERCENTILE_SAMPLES[95]:
        measured.warnings.append(
            f"the rate was verified with only {len(samples)} requests, and a p95 needs {PERCENTILE_SAMPLES[95]}:"
            " raise --time-limit"
        )
    return measured


def _serve(cell: _Cell, qps: float) -> Generator[None, None, tuple[Measured, ServerLoad]]:
    """Let reviews arrive at a rate, in every process."""
    measured, options = Measured(), cell.options
    waits: list[list[float]] = []
    seconds: list[float] = []
    requests = round(qps * options.time_limit_s / options.processes)
    requests = min(MAX_REQUESTS, max(MIN_REQUESTS, requests))
    for number in range(options.processes):
        if number:
            yield
        with cell.process(measured, number) as process:
            measured.stable.append(warm_up(process))
            watch = Watch(process.pid)
            due = arrivals(requests, qps, SEED + number)
            # Where the queue grows, the last reviews would be served long after the time limit.
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
            f"{qps:g} reviews/s arrive and {capacity:.3g} can be served: the queue, and with it the latency, grows as"
            " long as reviews arrive"
        )
    return measured, load


def energy_of(
    process: MeasuredProcess, texts: Sequence[str], options: ProfileOptions, sources: EnergySources
) -> Energy:
    """Measure or estimate the energy per review in this process: in batches offline, else one at a time.

    All reviews are used in turn, because energy depends on their lengths.
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
    """Return arrival times (s) of a Poisson process: gaps are exponential and independent."""
    gaps = np.random.default_rng(seed).exponential(1 / qps, requests)
    return np.cumsum(gaps).tolist()


def highest_rate(process: MeasuredProcess, bound_ms: float) -> list[ServerTrial]:
    """Find by bisection the highest rate at which 95 % of reviews are answered within a bound.

    Every trial has the same reviews and the same arrivals, closer together at a higher rate, so that trials differ
    only in the rate (common random numbers; Law, *Simulation Modeling and Analysis*, § 11.2).

    Args:
        process: A fresh process.
        bound_ms: The bound on the p95 latency (ms).

    Returns:
        The trials in order; at least one stays within the bound.

    Raises:
        SlmbenchError: Even reviews that never wait exceed the bound, or every rate that was tried does.
    """
    warm_up(process)
    alone = process.ask({"do": "single", "rows": list(range(PERCENTILE_SAMPLES[95]))})["ms"]
    if (p95 := percentile(alone, 95)) > bound_ms:
        raise SlmbenchError(
            f"no rate keeps the p95 within {bound_ms:g} ms: reviews that do not wait have a p95 of {p95:.3g} ms"
        )
    low, high = 0.0, 1e3 / (math.fsum(alone) / len(alone))
    trials: list[ServerTrial] = []
    for _ in range(HALVINGS):
        rate = (low + high) / 2
        requests = min(MAX_REQUESTS, max(TRIAL_REQUESTS, round(rate * TRIAL_S)))
        allowed = int(requests * LATE_SHARE)
        due = arrivals(requests, rate, SEED)
        answer = process.ask({"do": "serve", "arrivals_s": due, "late_ms": bound_ms, "most_late": allowed})
        holds = answer["late"] <= allowed
        trials.append(ServerTrial(qps=rate, requests=len(answer["ms"]), late=answer["late"], holds=holds))
        low, high = (rate, high) if holds else (low, rate)
    if not any(trial.holds for trial in trials):
        raise SlmbenchError(
            f"no rate of {low + (high - low) / 2:.2g} reviews/s or more keeps the p95 within {bound_ms:g} ms"
        )
    return trials
