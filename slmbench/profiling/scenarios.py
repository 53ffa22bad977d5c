"""Scenarios: reviews one at a time, batches, or reviews that arrive at random and queue.

They follow MLPerf Inference (Reddi et al., ISCA 2020, § III-C): single stream, offline, and server with Poisson
arrivals. Each runs in fresh processes and returns raw samples; the record computes statistics. A scenario pauses
between processes, so that several cells can be timed in turns (:mod:`slmbench.profiling.turns`).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Task
from slmbench.instruments.energy import EnergySources, measure_energy
from slmbench.instruments.page_cache import drop_from_cache
from slmbench.profiling.conditions import Seen, Watch, cpu_seconds
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.sampling import PRECISION, closed, further_s, sample, settled, warm_up
from slmbench.profiling.sustained import measure_sustained, sustained_warning
from slmbench.records.energy import Energy
from slmbench.records.profile import ServerLoad, ServerTrial
from slmbench.records.sustained import Sustained
from slmbench.statistics import PERCENTILE_SAMPLES, percentile
from slmbench.statistics.queueing import LATE_SHARE, arrivals, late_allowed

#: Throughput passes: so many in the first process of the single scenario, and one in the others where those agree
#: within :data:`PRECISION`; at least so many in each process of the offline scenario.
PASSES = 2
#: A pass of the single scenario that takes longer (s) is of so many batches that a second one adds little.
LONG_PASS_S = 1.0
#: Reviews of the untimed batches before them: enough to fill a few.
WARM_UP_REVIEWS = 32
#: Seed of the gaps between arrivals in the first process; each further process has the next number.
SEED = 0
#: Duration of a trial in the search for a rate, and its minimum number of requests: a queue needs time to grow.
TRIAL_S, TRIAL_REQUESTS = 3.0, 200
#: Minimum duration of the verification of a rate, over all processes (s): that of MLPerf Inference's rules 0.5. Today
#: its ``mlperf.conf`` has 600 s, which --time-limit 600 gives.
VERIFICATION_S = 60.0
#: Halvings of the search: a rate is found to 1/64 of the maximum throughput.
HALVINGS = 6
#: Verifications of a rate in fresh processes; after each that fails it is multiplied by the second number.
VERIFICATIONS, STEP_DOWN = 6, 0.9
#: Requests of a process; at most so many, because each is in the record.
MIN_REQUESTS, MAX_REQUESTS = 10, 5000
#: From outside, requests without a text before the others in each process: at most so many, and so long (s).
EMPTY_REQUESTS, EMPTY_S = 200, 5.0
#: Reviews per request under the energy meter: enough that the parent, which is metered too, has little to do.
ENERGY_ROWS = 20


@dataclass
class Measured:
    """Raw measurements of a cell, one entry per process."""

    starts: list[MeasuredProcess] = field(default_factory=list)
    #: Why the first of them did not start from a cold cache; ``None`` where it did.
    no_cold_cache: str | None = "there is one process, and a start from a warm cache is needed first"
    latency_ms: list[list[float]] = field(default_factory=list)
    #: In the single scenario, where they were timed, of further reviews, each once.
    further_ms: list[list[float]] = field(default_factory=list)
    #: In the single scenario, the index of the label given, per sample.
    labels: list[list[int]] = field(default_factory=list)
    passes_s: list[list[float]] = field(default_factory=list)
    #: In the single scenario, the index of the label given in those passes, per review.
    batch_labels: list[int] = field(default_factory=list)
    #: Memory at the end of the scenario's own samples, and at the very end.
    memory: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    stable: list[bool] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    load: ServerLoad | None = None
    sustained: Sustained | None = None
    energy: Energy = field(default_factory=Energy)
    note: str | None = None
    warnings: list[str] = field(default_factory=list)


#: A measurement that pauses between processes, when the last one has ended; it returns what was measured. In the
#: single and the offline scenario it shows what was measured so far, and sent ``True`` it makes the next process its
#: last one. Before work that would heat the machine for other cells it yields :data:`AFTER_ALL`.
Steps = Generator[Measured | str | None, bool | None, Measured]
AFTER_ALL = "after all"


def scenario_steps(
    task: dict[str, Any], further: Sequence[str], options: ProfileOptions, sources: EnergySources, bar: Task
) -> Steps:
    """Measure one cell in the scenario of the options, process by process.

    Args:
        task: What the measured process is told.
        further: Further texts, which single reviews are timed on where the form is fast enough
            (:func:`~slmbench.profiling.sampling.further_s`).
        options: How to measure.
        sources: Sources of energy readings; they are read in the last process, after everything is timed.
        bar: Advanced by one for each process.

    Returns:
        A generator that measures with one process whenever it is asked for its next value, and returns what was
        measured; :data:`Steps` says what it yields. It raises SlmbenchError when the form does not load, the process
        died, or no rate stays within the bound.
    """
    run = {"single": _single, "offline": _offline, "server": _server}[options.scenario]
    return run(_Cell(task, list(further), options, sources, bar))


@dataclass(frozen=True)
class _Cell:
    """What is measured, how, and where to report progress."""

    task: dict[str, Any]
    further: list[str]
    options: ProfileOptions
    sources: EnergySources
    bar: Task

    @contextmanager
    def process(
        self, measured: Measured, number: int, *, counts: bool = True, last: bool = False
    ) -> Iterator[MeasuredProcess]:
        """Start the process of a number, from 0; the last one also measures the energy before it ends.

        The first of several starts from a cold cache where the system allows it. One that repeats an earlier one of
        the number does not count as progress.
        """
        if number == 0 and self.options.processes > 1 and self.options.url is None:
            measured.no_cold_cache = drop_from_cache(Path(self.task["folder"]))
        with MeasuredProcess(self.task) as process:
            measured.starts.append(process)
            yield process
            if self.options.url is None and (last or number == self.options.processes - 1):
                measured.energy = energy_of(process, self.task["texts"], self.options, self.sources)
        if counts:
            self.bar.advance()

    def each_process(
        self, measured: Measured, timed: Callable[[_Cell, MeasuredProcess, Measured], None]
    ) -> Generator[Measured, bool | None, None]:
        """Measure with each process in turn, and pause before all but the first."""
        for number in range(self.options.processes):
            last = bool((yield measured) if number else False)
            with self.process(measured, number, last=last) as process:
                timed(self, process, measured)
            if last:
                return


def _single(cell: _Cell) -> Steps:
    measured, options = Measured(), cell.options
    yield from cell.each_process(measured, _time_reviews)
    reviews = len(cell.task["texts"])
    if options.sustained_s is not None:
        yield AFTER_ALL
        with MeasuredProcess(cell.task) as process:
            warm_up(process)
            measured.sustained = measure_sustained(process, options.sustained_s, measured.latency_ms, reviews)
        measured.warnings += sustained_warning(measured.sustained)
    if not settled(measured.latency_ms, reviews):
        measured.note = _interval_note("median", f"{len(measured.latency_ms[0])} samples", options)
    return measured


def _time_reviews(cell: _Cell, process: MeasuredProcess, measured: Measured) -> None:
    """Time single reviews in one process, further ones where the first process has time, then passes in batches."""
    options, is_first = cell.options, not measured.latency_ms
    count = None if is_first else len(measured.latency_ms[0])
    reviews, budget_s, further = len(cell.task["texts"]), options.time_limit_s / options.processes, len(cell.further)
    sampled = sample(process, budget_s, count, reviews=reviews, further=further)
    measured.latency_ms.append(sampled.ms)
    measured.labels.append(sampled.labels)
    measured.stable.append(sampled.stable)
    measured.seen.append(sampled.seen)
    # Peak memory of single reviews, read before the batches, which need more.
    memory = process.ask({"do": "memory", "phase": "samples"})
    if measured.further_ms or (is_first and further_s(sampled.ms, reviews, further, budget_s) is not None):
        measured.further_ms.append(process.ask({"do": "further", "texts": cell.further})["ms"])
    _warm_up_batches(process, options)
    measured.passes_s.append(_few_passes(process, options, measured))
    measured.memory.append((memory, process.ask({"do": "memory", "phase": "batches"})))


def _few_passes(process: MeasuredProcess, options: ProfileOptions, measured: Measured) -> list[float]:
    """Time passes in batches; the first of all also tells the labels given."""
    if measured.passes_s:
        first = measured.passes_s[0]
        alike = max(first) <= (1 + PRECISION) * min(first)
        return [_pass(process, options) for _ in range(1 if alike else PASSES)]
    answered = process.ask({"do": "batches", "batch_tokens": options.batch_tokens, "answers": True})
    measured.batch_labels = answered["labels"]
    more = PASSES - 1 if answered["s"] <= LONG_PASS_S else 0
    return [answered["s"], *(_pass(process, options) for _ in range(more))]


def _offline(cell: _Cell) -> Steps:
    measured, options = Measured(), cell.options
    yield from cell.each_process(measured, _time_batches)
    if not closed(measured.passes_s[0]):
        measured.note = _interval_note("median pass", f"{len(measured.passes_s[0])} passes", options)
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


def _interval_note(median: str, samples: str, options: ProfileOptions) -> str:
    """Return a sentence for when the time limit ended sampling before noise was averaged out."""
    return (
        f"noise leaves the {median} known to no better than ±{100 * PRECISION:.0f} % after"
        f" {options.time_limit_s:g} s ({samples} per process)"
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
        measured, load = yield from _serve(cell, cell.options.qps, cell.options.time_limit_s)
        measured.load = load
        return measured
    bound = cell.options.max_p95_ms or 0.0
    duration_s = max(VERIFICATION_S, cell.options.time_limit_s)
    with MeasuredProcess(cell.task) as process:
        trials = highest_rate(process, bound, duration_s)
    rate = max(trial.qps for trial in trials if trial.holds)
    for left in reversed(range(VERIFICATIONS)):
        measured, load = yield from _serve(cell, rate, duration_s, bound, first=left == VERIFICATIONS - 1)
        late, requests = late_of(measured.latency_ms, bound)
        holds = late <= late_allowed(requests)
        if holds or not left:
            break
        rate *= STEP_DOWN
        yield None
    measured.load = load.model_copy(update={"max_p95_ms": bound, "trials": trials})
    if not holds:
        measured.warnings.append(
            f"at {rate:.3g} reviews/s {late} of {requests} requests took longer than {bound:g} ms, which does not"
            f" show that 95 % of all take no longer ({max(0, late_allowed(requests))} would): the highest rate is"
            " lower than the search found, or takes a longer --time-limit to verify"
        )
    elif (took := sum(load.processes_s)) < 0.9 * VERIFICATION_S:
        measured.warnings.append(
            f"the rate was verified for {took:.0f} s only, by {MAX_REQUESTS:,} requests in each process: what a"
            " longer load brings, such as heat, is not in it; see --sustained"
        )
    return measured


def late_of(processes_ms: Sequence[Sequence[float]], bound_ms: float) -> tuple[int, int]:
    """Return how many requests took longer than a bound, and how many there were."""
    taken = [ms for process in processes_ms for ms in process]
    return sum(ms > bound_ms for ms in taken), len(taken)


def _serve(
    cell: _Cell, qps: float, duration_s: float, bound_ms: float | None = None, *, first: bool = True
) -> Generator[str | None, bool | None, tuple[Measured, ServerLoad]]:
    """Let reviews arrive at a rate, in every process, so many seconds in all.

    With a bound, a process stops when it alone has more late requests than all of them may have.
    """
    measured, options = Measured(), cell.options
    waits: list[list[float]] = []
    empty: list[list[float]] = []
    statuses: Counter[str] = Counter()
    workers, work_ms = 1, 0.0
    seconds: list[float] = []
    requests = round(qps * duration_s / options.processes)
    requests = min(MAX_REQUESTS, max(MIN_REQUESTS, requests))
    for number in range(options.processes):
        if number:
            yield None
        with cell.process(measured, number, counts=first) as process:
            measured.stable.append(warm_up(process))
            watch = Watch(process.pid)
            due = arrivals(requests, qps, SEED + number)
            # Where the queue grows, the last reviews would be served long after the time limit.
            limit_s = due[-1] + duration_s / options.processes
            request = {"do": "serve" if options.url is None else "arrive", "arrivals_s": due, "limit_s": limit_s}
            if bound_ms is not None:
                request |= {"late_ms": bound_ms, "most_late": max(0, late_allowed(requests * options.processes))}
            if options.url is not None:
                some = due[: max(MIN_REQUESTS, min(EMPTY_REQUESTS, round(qps * EMPTY_S)))]
                empty.append(process.ask({"do": "arrive", "arrivals_s": some, "empty": True})["ms"])
            answer = process.ask(request)
            if options.url is not None:
                statuses += Counter(answer["statuses"])
                workers, work_ms = answer["workers"], work_ms + math.fsum(answer["work_ms"])
                if not answer["ms"]:
                    raise SlmbenchError(f"{options.url} answered no request: statuses {_counted(statuses)}")
            measured.latency_ms.append(answer["ms"])
            waits.append(answer["wait_ms"])
            seconds.append(answer["s"])
            measured.seen.append(watch.end())
            memory = process.ask({"do": "memory", "phase": "samples"})
            measured.memory.append((memory, memory))
    load = ServerLoad(qps=qps, seed=SEED, processes_wait_ms=waits, processes_s=seconds)
    if options.url is not None:
        load = load.model_copy(update={"url": options.url, "workers": workers, "processes_empty_ms": empty})
        measured.energy = Energy(reason="a service is measured from outside")
    if refused := statuses.total() - statuses["200"]:
        measured.warnings.append(
            f"{refused} of {statuses.total()} requests got no answer and are left out of the times: statuses"
            f" {_counted(statuses)}, 0 where the connection failed"
        )
    # From outside the rest of the latency is spent in the network, where workers do not wait for it.
    service = sum(map(sum, measured.latency_ms)) - sum(map(sum, waits)) if options.url is None else work_ms
    capacity = workers * sum(map(len, waits)) / (service / 1e3) if service else math.inf
    if capacity <= qps:
        measured.warnings.append(
            f"{qps:g} reviews/s arrive and {capacity:.3g} can be served: the queue, and with it the latency, grows as"
            " long as reviews arrive"
        )
    return measured, load


def _counted(statuses: Counter[str]) -> str:
    return ", ".join(f"{status} ({count})" for status, count in sorted(statuses.items()))


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


def highest_rate(process: MeasuredProcess, bound_ms: float, duration_s: float) -> list[ServerTrial]:
    """Find by bisection the highest rate that will pass its verification.

    Every trial has the same reviews and the same arrivals, closer together at a higher rate, so that trials differ
    only in the rate (common random numbers; Law, *Simulation Modeling and Analysis*, § 11.2). A trial holds when no
    larger share of its requests is late than the verification may have, which is fewer than one in twenty: see
    :func:`slmbench.statistics.queueing.late_allowed`.

    Args:
        process: A fresh process.
        bound_ms: The bound on the p95 latency (ms).
        duration_s: Duration of the verification (s), over all processes.

    Returns:
        The trials in order; at least one holds.

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
        allowed = int(requests * _share_allowed(round(rate * duration_s)))
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


def _share_allowed(requests: int) -> float:
    """Return the share of a verification's requests that may be late."""
    return min(LATE_SHARE, max(0, late_allowed(requests)) / max(1, requests))
