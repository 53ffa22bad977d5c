"""The record of an architecture-only profile: a published configuration with random weights, timed on one machine.

It tells the time and memory of a model before its weights are fetched. Random weights answer at random, so it never
has an accuracy.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, computed_field

from slmbench.records.base import Part, Record
from slmbench.records.roofline import Polynomial, Roofline
from slmbench.statistics import Interval, median_interval, percentile

Dtype = Literal["fp32", "bf16", "fp16"]
#: Bytes per parameter; int8 is for the size of quantized weights, which are not timed here.
BYTES_OF = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}


class Arithmetic(Part):
    """Size and operations of a configuration, computed without allocating anything.

    Attributes:
        parameters: All of them, with the head of the task; shared ones count once.
        parameters_without_embeddings: Without the tables that are looked up.
        weight_bytes: By number format: ``fp32``, ``bf16``, ``fp16``, ``int8``.
        dtype: The number format that is to be timed.
        tokens: The longest length that is to be timed, for which activations are estimated.
        batch_size: Reviews per batch.
        activation_bytes: Estimate of the activations held between two layers.
        runtime_bytes: Of Python, torch and transformers, or of the GPU's context.
        available_bytes: Free memory; ``None`` where it is unknown.
        linear: MACs of products with constant weights.
        full: MACs of all products.
    """

    parameters: int
    parameters_without_embeddings: int
    weight_bytes: dict[str, int]
    dtype: Dtype
    tokens: int
    batch_size: int
    activation_bytes: int
    runtime_bytes: int
    available_bytes: int | None
    linear: Polynomial
    full: Polynomial

    @computed_field  # type: ignore[prop-decorator]
    @property
    def needed_bytes(self) -> int:
        """Weights, activations and runtime together."""
        return self.weight_bytes[self.dtype] + self.activation_bytes + self.runtime_bytes

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fits(self) -> bool | None:
        """Whether that much memory is free; ``None`` where it is unknown."""
        return None if self.available_bytes is None else self.needed_bytes <= self.available_bytes


class LengthTiming(Part):
    """Forward passes at one length, in the order taken."""

    tokens: int
    samples_ms: list[float]
    #: High-water mark of the process after this length was run; lengths are run from short to long.
    peak_bytes: int | None
    #: The same of the GPU's allocator.
    device_peak_bytes: int | None = None
    roofline: Roofline

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p50_ms(self) -> float:
        """Median."""
        return percentile(self.samples_ms, 50)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ci95_ms(self) -> Interval | None:
        """95 % interval of the median in this process; ``None`` with fewer than six samples."""
        return median_interval(self.samples_ms)


class ArchitectureRecord(Record):
    """A configuration with random weights, timed."""

    kind = "architecture"
    made_by = "slmbench architecture"
    rows_in = "timings"
    shown = "model device dtype threads tokens p50_ms peak_bytes"

    model: str
    model_type: str
    source: str
    weights: Literal["random"] = "random"
    #: ``classification``: a label of the head. ``generation``: the logits of one token, after reading the review.
    task: str
    device: str
    dtype: Dtype
    threads: int
    batch_size: int
    arithmetic: Arithmetic
    timings: list[LengthTiming]
    build_s: float
    #: High-water marks before and after the model was built.
    runtime_bytes: int | None
    loaded_bytes: int | None
    memory_source: str | None
    warnings: list[str] = Field(default_factory=list)
    hardware: dict[str, Any]
    software: dict[str, str]
