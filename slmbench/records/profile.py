"""The record of a profile: one form of one bundle, measured on one machine."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import computed_field

from slmbench.records.base import Part, Record
from slmbench.records.predictions import Evaluated
from slmbench.records.run import CorpusIdentity
from slmbench.statistics import Interval, clustered_median_interval, percentile, supported_percentile


class Latency(Part):
    """One review at a time, text in, label out; one list of samples a process, in the order taken."""

    processes_ms: list[list[float]]
    #: Set when the interval of the median did not close within the time allowed.
    note: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def samples_ms(self) -> list[float]:
        """All samples of all processes."""
        return [sample for process in self.processes_ms for sample in process]

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
    @property
    def p99_ms(self) -> float | None:
        """99th percentile, when 662 samples support it."""
        return supported_percentile(self.samples_ms, 99)[0]

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
    @cached_property
    def ci95_ms(self) -> Interval | None:
        """95 % interval of the median, as wide as the processes differ."""
        return clustered_median_interval(self.processes_ms)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def process_p50_ms(self) -> list[float]:
        """Median of each process: their spread is larger than the spread inside one."""
        return [percentile(process, 50) for process in self.processes_ms]


class Throughput(Part):
    """Reviews in length-sorted batches under a token budget; one entry a pass over the same reviews."""

    batch_tokens: int
    reviews: int
    tokens: int
    passes_s: list[float]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reviews_per_second(self) -> float:
        """Reviews a second in the median pass."""
        return self.reviews / float(np.median(self.passes_s))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def tokens_per_second(self) -> float:
        """Tokens (without padding) a second in the median pass."""
        return self.tokens / float(np.median(self.passes_s))


class Memory(Part):
    """Kernel high-water marks of the measuring process, largest over the processes; ``None`` where unknown.

    ``load_bytes`` is what loading the bundle added, ``peak_bytes`` the whole process at its highest.
    """

    load_bytes: int | None
    peak_bytes: int | None
    source: str | None


class ColdStart(Part):
    """From starting a fresh process to its first label, as the parent sees it; one entry a process."""

    processes_ms: list[float]
    #: Of which: importing onnxruntime and tokenizers and loading the bundle.
    load_ms: list[float]


class Energy(Part):
    """Energy per review. ``quality`` says whether it was measured; ``None`` where nothing is known."""

    joules_per_review: float | None = None
    source: str | None = None
    quality: Literal["measured", "estimated"] | None = None


class WorkloadIdentity(Part):
    """What was fed in: real reviews of the corpus, or words matched to its token lengths."""

    name: str
    test_hash: str
    inputs: Literal["reviews", "length-matched words"]
    reviews: int
    tokens_p50: float
    tokens_max: int


class ProfileRecord(Evaluated, Record):
    """One cell: bundle × form × backend × device × threads × scenario."""

    kind = "profile"

    bundle: str
    form: str
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
    size_bytes: int
    #: How the predictions, carried over from the bundle, were made: the regime that is timed.
    regime: str
    trained_on: CorpusIdentity
    corpus: WorkloadIdentity
    warnings: list[str]
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def cold_start_ms(self) -> float:
        """Median cold start."""
        return percentile(self.cold.processes_ms, 50)
