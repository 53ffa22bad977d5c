"""The record of a profile: one form of one bundle, measured on one machine."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field, computed_field

from slmbench.records.base import Part, Record
from slmbench.records.cascade import ProfiledCascade
from slmbench.records.energy import Energy
from slmbench.records.predictions import Evaluated
from slmbench.records.roofline import Roofline
from slmbench.records.run import CorpusIdentity
from slmbench.records.timed import Timed
from slmbench.statistics import (
    Interval,
    Outliers,
    clustered_median_interval,
    clustered_percentile_interval,
    count_outliers,
    percentile,
    supported_percentile,
)


class Latency(Timed):
    """Text in, label out.

    What a sample is depends on the scenario: ``single`` one review, ``offline`` one batch, ``server`` one review from
    its arrival, waiting included.
    """

    #: Sample ``i`` of a process is of review ``i % reviews``; ``None`` outside the ``single`` scenario.
    reviews: int | None = None
    #: Set when the interval of the median did not close within the time allowed.
    note: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def samples_ms(self) -> list[float]:
        """All samples of all processes."""
        return self.all_ms

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p50_ms(self) -> float:
        """Median latency."""
        return percentile(self.samples_ms, 50)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p95_ms(self) -> float | None:
        """95th percentile, when 130 samples support it."""
        return supported_percentile(self.samples_ms, 95)[0]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def p95_ci95_ms(self) -> Interval | None:
        """95 % interval of the 95th percentile, where that is supported and so is its interval."""
        return self._tail_interval(95)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p99_ms(self) -> float | None:
        """99th percentile, when 662 samples support it."""
        return supported_percentile(self.samples_ms, 99)[0]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def p99_ci95_ms(self) -> Interval | None:
        """95 % interval of the 99th percentile, where that is supported and so is its interval."""
        return self._tail_interval(99)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def unsupported(self) -> dict[str, str]:
        """Why a percentile is null."""
        reasons = {f"p{q}_ms": supported_percentile(self.samples_ms, q)[1] for q in (95, 99)}
        return {name: reason for name, reason in reasons.items() if reason}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean_ms(self) -> float:
        """Mean latency."""
        return float(np.mean(self.samples_ms))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def process_p50_ms(self) -> list[float]:
        """Median of each process: their spread is larger than the spread inside one."""
        return [percentile(process, 50) for process in self.processes_ms]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def outliers(self) -> Outliers | None:
        """Samples far above the others of the same review; they are counted and stay in every figure."""
        if self.reviews is None:
            return None
        return count_outliers(self.processes_ms, self.reviews)

    def _tail_interval(self, q: int) -> Interval | None:
        if supported_percentile(self.samples_ms, q)[0] is None:
            return None
        return clustered_percentile_interval(self.processes_ms, q)


class Throughput(Part):
    """Reviews in length-sorted batches under a token budget; one entry a pass over the same reviews."""

    batch_tokens: int
    reviews: int
    tokens: int
    passes_s: list[float]
    #: The same passes by process; ``None`` in records from before it was kept.
    processes_s: list[list[float]] | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reviews_per_second(self) -> float:
        """Reviews a second in the median pass."""
        return self.reviews / float(np.median(self.passes_s))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reviews_per_second_ci95(self) -> Interval | None:
        """95 % interval of it, as wide as the processes differ; ``None`` from fewer than six passes."""
        interval = clustered_median_interval(self.processes_s) if self.processes_s else None
        return None if interval is None else (self.reviews / interval[1], self.reviews / interval[0])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tokens_per_second(self) -> float:
        """Tokens (without padding) a second in the median pass."""
        return self.tokens / float(np.median(self.passes_s))


class MemoryPhase(Part):
    """The resident set at its highest in one phase of the measured process, largest over the processes."""

    #: ``interpreter``, ``load``, ``first answer``, ``samples`` or ``batches``.
    name: str
    peak_bytes: int


class GpuPeaks(Part):
    """Memory of the GPU at its highest, in bytes, largest over the processes; ``None`` where unknown."""

    #: What the driver saw, CUDA's context and libraries included; looked at when a phase ends.
    nvml_bytes: int | None
    #: ``NVML, this process``, or ``NVML, growth of the whole device`` where processes are not listed; else why not.
    nvml_source: str
    #: Tensors, and what torch's allocator held for them; exact, and ``None`` where torch is not used.
    allocated_bytes: int | None = None
    reserved_bytes: int | None = None


class Memory(Part):
    """Kernel high-water marks of the measuring process, largest over the processes; ``None`` where unknown.

    ``load_bytes`` is what loading the bundle added, ``peak_bytes`` the whole process at its highest, up to the end
    of the samples of the scenario.
    """

    load_bytes: int | None
    peak_bytes: int | None
    source: str | None
    #: In the order of time; ``None`` where the system does not tell, and in records from before they were kept.
    phases: list[MemoryPhase] | None = None
    #: Whether the kernel's mark was set back between phases; if not, a phase's peak is the highest up to its end.
    phases_apart: bool | None = None
    #: Size of the model's file, which the peak holds at least a part of.
    model_bytes: int | None = None
    #: On a GPU.
    gpu: GpuPeaks | None = None


class ColdStart(Part):
    """From starting a fresh process to its first label, as the parent sees it; one entry a process."""

    processes_ms: list[float]
    #: Of which: importing onnxruntime and tokenizers (or torch and transformers) and loading the model.
    load_ms: list[float]


class Conditions(Part):
    """What the machine did while samples were taken, one entry a process; ``None`` where it cannot be read.

    Shares are of the time of all cores together.
    """

    #: CPU time that went to other processes of this system.
    others_share: list[float | None]
    #: CPU time that the hypervisor gave to other machines although this one wanted it.
    steal_share: list[float | None]
    #: Lowest and highest clock of the fastest core at the moments looked at.
    clock_mhz: list[tuple[float, float] | None]


class ServerTrial(Part):
    """One rate tried in the search for the highest that holds a bound."""

    qps: float
    requests: int
    #: Requests that took longer than the bound, from arrival to label.
    late: int
    holds: bool


class ServerLoad(Part):
    """How reviews arrived in the ``server`` scenario: a Poisson process, one server, first come, first served."""

    qps: float
    #: Seed of the gaps between arrivals.
    seed: int
    #: Of each request, in milliseconds: how long it waited before the server took it up; one list a process.
    processes_wait_ms: list[list[float]]
    #: Seconds from the first arrival to the last label, one a process.
    processes_s: list[float]
    #: Bound on the 95th percentile that the rate was sought for; ``None`` where the rate was given.
    max_p95_ms: float | None = None
    #: Rates tried in the search, in the order tried.
    trials: list[ServerTrial] = Field(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def served_per_second(self) -> float:
        """Reviews a second that left the server, over all processes."""
        return sum(map(len, self.processes_wait_ms)) / sum(self.processes_s)


class WorkloadIdentity(Part):
    """What was fed in: real reviews of the corpus, or words matched to its token lengths."""

    name: str
    test_hash: str
    inputs: Literal["reviews", "length-matched words"]
    reviews: int
    tokens_p50: float
    tokens_max: int


class Served(Part):
    """Labels given while reviews were timed, held against those of the record's predictions."""

    #: Different reviews timed.
    reviews: int
    #: Of these, how many got another label at least once.
    differing: int


class ProfileRecord(Evaluated, Record):
    """One cell: bundle (or run, in torch) × form × backend × device × threads × scenario."""

    kind = "profile"
    made_by = "slmbench profile"
    shown = (
        "bundle form backend device threads scenario accuracy latency.p50_ms latency.p95_ms "
        "throughput.reviews_per_second memory.peak_bytes size_bytes"
    )

    bundle: str
    #: Key of the bundle's record (of the run's, in torch): one that was made anew of other weights has another.
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
    reason: str
    latency: Latency
    throughput: Throughput | None
    memory: Memory
    cold: ColdStart
    energy: Energy
    #: What was reached of the machine's ceiling, in the ``single`` scenario; ``None`` where operations are unknown.
    roofline: Roofline | None = None
    size_bytes: int
    #: How the predictions were made: the regime that is timed. They are carried over from the bundle; of a run in
    #: torch, where the form exists only while it runs, they were made for this record.
    regime: str
    trained_on: CorpusIdentity
    corpus: WorkloadIdentity
    warnings: list[str]
    #: What the machine did meanwhile; ``None`` in records from before it was watched.
    conditions: Conditions | None = None
    #: Of the ``single`` scenario, when real reviews were timed.
    served: Served | None = None
    #: Of the ``server`` scenario.
    load: ServerLoad | None = None
    #: Of a cascade: its members and its threshold; ``None`` in records from before they were kept.
    cascade: ProfiledCascade | None = None
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cold_start_ms(self) -> float:
        """Median cold start."""
        return percentile(self.cold.processes_ms, 50)

    @property
    def keeps_its_bound(self) -> bool:
        """Whether the highest rate found kept its bound when it was verified; true where none was sought."""
        bound = self.load.max_p95_ms if self.load is not None else None
        return bound is None or percentile(self.latency.samples_ms, 95) <= bound
