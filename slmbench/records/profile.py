"""The record of a profile: one form of one bundle, measured on one machine."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field, computed_field, model_validator

from slmbench.records.ancestors import Ancestor
from slmbench.records.base import Part, Record
from slmbench.records.bundle import FormVerdict
from slmbench.records.cascade import ProfiledCascade
from slmbench.records.documents import Count, EachTime, Times
from slmbench.records.energy import Energy
from slmbench.records.predictions import Evaluated, is_batched
from slmbench.records.roofline import Roofline
from slmbench.records.run import CorpusIdentity, SeedIdentity, Truncation
from slmbench.records.sealed_answers import SealedAnswers
from slmbench.records.sessions import InSessions, MeasuringSession
from slmbench.records.sustained import Sustained
from slmbench.records.timed import Latency
from slmbench.statistics import Interval, clustered_median_interval, percentile
from slmbench.statistics.queueing import NONE, geometric_mean, highest_rate_interval, late_allowed, process_rates

#: Share of other labels that a setting may give and still count as the form that was exported: at most so much
#: accuracy can they cost, and an export accepts as much by default. Our choice.
MAX_DIFFERING = 0.01


class Served(Part):
    """Labels given while reviews were timed, compared with those of the record's predictions."""

    #: Different reviews timed.
    reviews: int
    #: Number of them that got another label at least once.
    differing: int

    @property
    def too_many(self) -> bool:
        """Whether more differ than :data:`MAX_DIFFERING` allows, beyond chance.

        An exact binomial test at 5 %: two of ten reviews are too many, five of two hundred are not.
        """
        if not self.reviews:
            return False
        from scipy.stats import binomtest

        return bool(binomtest(self.differing, self.reviews, MAX_DIFFERING, alternative="greater").pvalue < 0.05)


class Throughput(InSessions):
    """Reviews in length-sorted batches under a token budget; one entry per pass over the same reviews."""

    batch_tokens: int
    reviews: Count
    tokens: int
    passes_s: EachTime
    #: The same passes by process; ``None`` in records from before it was kept.
    processes_s: Times | None = None
    #: In the single scenario, labels given in these batches compared with those that the accuracy is computed from;
    #: ``None`` where words were timed, offline, where the accuracy is that of batches, and in older records.
    labels: Served | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reviews_per_second(self) -> float:
        """Reviews per second in the median pass."""
        return self.reviews / float(np.median(self.passes_s))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reviews_per_second_ci95(self) -> Interval | None:
        """95 % interval of it for other processes and sessions; ``None`` from too few processes or passes."""
        if not self.processes_s:
            return None
        medians = [float(np.median(passes)) for passes in self.processes_s]
        here = clustered_median_interval(self.processes_s)
        interval = self.over_sessions(float(np.median(self.passes_s)), here, medians)
        return None if interval is None else (self.reviews / interval[1], self.reviews / interval[0])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tokens_per_second(self) -> float:
        """Tokens per second, without padding, in the median pass."""
        return self.tokens / float(np.median(self.passes_s))


class MemoryPhase(Part):
    """Peak resident set in one phase of the measured process, maximum over the processes."""

    #: ``interpreter``, ``load``, ``first answer``, ``samples`` or ``batches``.
    name: str
    peak_bytes: int


class GpuPeaks(Part):
    """Peak memory of the GPU in bytes, maximum over the processes; ``None`` where unknown."""

    #: As the driver counts it, CUDA's context and libraries included; read when a phase ends.
    nvml_bytes: int | None
    #: ``NVML, this process``, or ``NVML, growth of the whole device`` where processes are not listed; else why not.
    nvml_source: str
    #: Tensors, and what torch's allocator held for them; exact, and ``None`` where torch is not used.
    allocated_bytes: int | None = None
    reserved_bytes: int | None = None


class Memory(Part):
    """Kernel high-water marks of the measured process, maximum over the processes; ``None`` where unknown.

    ``load_bytes`` is the growth by loading the form, ``peak_bytes`` the peak of the whole process up to the end of
    the scenario's samples.
    """

    load_bytes: int | None
    peak_bytes: int | None
    source: str | None
    #: In the order of time; ``None`` where the system does not tell, and in older records.
    phases: list[MemoryPhase] | None = None
    #: Whether the kernel's mark was reset between phases; if not, a phase's peak is the highest so far.
    phases_apart: bool | None = None
    #: Size of the model's file.
    model_bytes: int | None = None
    #: On a GPU.
    gpu: GpuPeaks | None = None


class ColdStart(Part):
    """From starting a fresh process to its first label, as the parent sees it; one entry per process.

    These processes find the model's files in the system's cache. ``cold_cache_ms`` is of one more, started before
    them, whose files had been dropped from it (in records from before that was done, the first entry may be one).
    """

    processes_ms: EachTime
    #: The part of it for importing onnxruntime and tokenizers (or torch and transformers) and loading the model.
    load_ms: list[float]
    cold_cache_ms: float | None = None
    #: Why it is not known; ``None`` where it is, and in older records.
    no_cold_cache: str | None = None


class Conditions(Part):
    """What else the machine did while samples were taken, one entry per process; ``None`` where it cannot be read.

    Shares are of the time of all cores together.
    """

    #: CPU time of other processes of this system.
    others_share: list[float | None]
    #: CPU time that the hypervisor gave to other machines while this one needed it.
    steal_share: list[float | None]
    #: Lowest and highest clock of the fastest core when it was read.
    clock_mhz: list[tuple[float, float] | None]

    @property
    def stolen(self) -> float:
        """Largest share of the CPU that the hypervisor gave to other machines; 0 where that cannot be read."""
        return max((share for share in self.steal_share if share is not None), default=0.0)


class ServerTrial(Part):
    """One rate tried in the search for the highest that stays within a bound."""

    qps: float
    requests: int
    #: Requests that took longer than the bound, from arrival to label.
    late: int
    holds: bool


class ServerLoad(Part):
    """How reviews arrived in the ``server`` scenario: a Poisson process, one server, first come, first served.

    From outside (``url``) it is a service with so many ``workers``, and latencies have the way there and back.
    """

    qps: float
    #: Seed of the gaps between arrivals.
    seed: int
    #: Waiting time of each request in milliseconds; one list per process.
    processes_wait_ms: list[list[float]]
    #: Where a service was measured from outside; ``None`` of a process of one's own, and in older records.
    url: str | None = None
    workers: int = 1
    #: Then the latency of requests without a text at the same rate (ms); one list per process.
    processes_empty_ms: Times | None = None
    #: Seconds from the first arrival to the last label, one per process.
    processes_s: EachTime
    #: Bound on the 95th percentile (ms) for which the rate was searched; ``None`` where the rate was given.
    max_p95_ms: float | None = None
    #: Rates tried in the search, in order.
    trials: list[ServerTrial] = Field(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def served_per_second(self) -> float:
        """Reviews per second that left the server, over all processes."""
        return sum(map(len, self.processes_wait_ms)) / sum(self.processes_s)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def empty_p50_ms(self) -> float | None:
        """Median latency of requests without a text (ms): what the way there and back takes."""
        empty = self.processes_empty_ms
        return None if empty is None else percentile([ms for process in empty for ms in process], 50)


class WorkloadIdentity(Part):
    """The input: real reviews of the corpus, or words with their token lengths."""

    name: str
    test_hash: str
    inputs: Literal["reviews", "length-matched words"]
    reviews: int
    tokens_p50: float
    tokens_max: int


class ProfileRecord(Evaluated, Record):
    """One cell: bundle (or run, in torch) × form × backend × device × threads × scenario."""

    kind = "profile"
    made_by = "slmbench profile"
    shown = (
        "bundle form backend device threads scenario accuracy latency.p50_ms latency.p95_ms "
        "throughput.reviews_per_second memory.peak_bytes size_bytes"
    )

    bundle: str
    #: Key of the bundle's record (in torch, of the run's); it changes when the bundle is made again of other weights.
    #: ``None`` in records from before it was kept.
    source_key: str | None = None
    form: str
    #: SHA-256 of the form's file; ``None`` in torch, and in records from before it was kept.
    form_sha256: str | None = None
    backend: str
    device: str
    threads: int
    scenario: str
    model: str
    method: str
    architecture: str
    total_parameters: int
    parameters_without_embeddings: int
    labels: list[str]
    accepted: bool
    #: What the export's check showed of the form, as in its bundle; older profiles do not say.
    verdict: FormVerdict | None = None
    reason: str
    latency: Latency
    throughput: Throughput | None
    memory: Memory
    #: ``None`` of a service that is measured from outside.
    cold: ColdStart | None
    energy: Energy
    #: Share of the machine's ceiling that was reached, in the ``single`` scenario; ``None`` where it is unknown.
    roofline: Roofline | None = None
    #: Everything that an app carries: the form's file, tokenizer and configuration.
    size_bytes: int
    #: Runtimes that run the form; see ``BundleRecord.runs_in``. Empty of runs in torch and in older records.
    runs_in: list[str] = Field(default_factory=list)
    #: How the predictions were made, which is the regime that is timed. Where forms compute as they did at export the
    #: predictions are the bundle's; elsewhere (other backends, runs in torch) they were made for this record.
    regime: str
    trained_on: CorpusIdentity
    #: Which seed of the runs that differ only in that; ``None`` of cascades and in older records.
    trained_as: SeedIdentity | None = None
    #: Reviews that shaped the classifier, and how many of them it is tested on; ``None`` where that was not kept.
    ancestors: list[Ancestor] | None = None
    #: How much of the test reviews it does not read; ``None`` where that is not known.
    truncation: Truncation | None = None
    corpus: WorkloadIdentity
    warnings: list[str]
    #: ``None`` in older records.
    conditions: Conditions | None = None
    #: When its processes were timed, and how fast the machine was meanwhile; empty in older records.
    measured_in: list[MeasuringSession] = Field(default_factory=list)
    #: In the ``single`` scenario, when real reviews were timed.
    served: Served | None = None
    #: In the ``server`` scenario.
    load: ServerLoad | None = None
    #: With ``--sustained``.
    sustained: Sustained | None = None
    #: Members and threshold of a cascade; ``None`` in records from before they were kept.
    cascade: ProfiledCascade | None = None
    #: Answers to reviews used for nothing else, carried over unread; ``None`` where there are none, the
    #: next field then saying why (``None`` too in records from before they were kept).
    confirmation: SealedAnswers | None = None
    no_confirmation: str | None = None
    hardware: dict[str, Any]
    software: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _reviews_of_older_records(cls, values: Any) -> Any:
        """Say of older records of the server scenario which request was of which review: they did not keep it."""
        if isinstance(values, dict) and values.get("scenario") == "server" and isinstance(values["latency"], dict):
            known = {"reviews": values["corpus"]["reviews"], "queued": True}
            return {**values, "latency": known | values["latency"]}
        return values

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cold_start_ms(self) -> float | None:
        """Median cold start."""
        return None if self.cold is None else percentile(self.cold.processes_ms, 50)

    @property
    def tested_as_timed(self) -> bool:
        """Whether the labels that the accuracy is computed from were given in the way that was timed.

        Batches of a transformer are padded, which changes labels of some quantized forms.
        """
        return self.scenario != "offline" or self.backend == "numpy" or is_batched(self.regime)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def highest_rate_ci95(self) -> Interval | None:
        """95 % interval of the highest rate that keeps the bound, for other processes, reviews, arrivals, sessions.

        ``None`` where no rate was searched; see :func:`slmbench.statistics.queueing.highest_rate_interval`. For other
        sessions the queue is replayed with all times as much longer or shorter as sessions make them: near the bound
        a rate falls by more than times grow.
        """
        load = self.load
        if load is None or load.max_p95_ms is None:
            return None
        service = [
            [taken - waited for taken, waited in zip(*process, strict=False)]
            for process in zip(self.latency.processes_ms, load.processes_wait_ms, strict=False)
        ]
        bound = load.max_p95_ms
        here = highest_rate_interval(service, self.latency.different, bound)
        if here is None:
            return None
        rates = process_rates(service, bound)
        found = self.latency.over_sessions(
            geometric_mean(rates),
            here,
            rates,
            slowed=lambda factor: geometric_mean(process_rates(service, bound, factor)),
        )
        low, high = found or here
        # The rate that was verified is a lower bound, so it may lie below.
        return min(low, load.qps) if low > NONE else 0.0, max(high, load.qps)

    @property
    def keeps_its_bound(self) -> bool:
        """Whether the rate that was found stayed within its bound when it was verified; true where none was searched.

        By MLPerf's early-stopping rule: see :func:`slmbench.statistics.queueing.late_allowed`.
        """
        bound = self.load.max_p95_ms if self.load is not None else None
        if bound is None:
            return True
        taken = self.latency.samples_ms
        return sum(ms > bound for ms in taken) <= late_allowed(len(taken))
