"""Operations of a form, the maximum that a machine computes, and how much of it a measurement reached.

The unit of work is the multiply-accumulate operation (MAC); a floating-point operation count (FLOPs) is twice that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, computed_field

from slmbench.records.base import Part, Record

#: Number format of a product.
Precision = Literal["fp32", "fp16", "bf16", "int8"]
FLOPS_PER_MAC = 2
#: A larger share of the CPU used by other processes, or taken by the hypervisor, disturbs a measurement: it is named.
NOTABLE_SHARE = 0.05


class Polynomial(Part):
    """MACs of one review of n tokens: ``const + per_token * n + per_token2 * n**2``; a batch has a multiple of it."""

    const: int = 0
    per_token: int = 0
    per_token2: int = 0

    def at(self, tokens: float) -> float:
        """Return the MACs of one review of a number of tokens, special tokens and padding included."""
        return self.const + self.per_token * tokens + self.per_token2 * tokens**2

    def __add__(self, other: Polynomial) -> Polynomial:
        """Return the sum of both."""
        return Polynomial(
            const=self.const + other.const,
            per_token=self.per_token + other.per_token,
            per_token2=self.per_token2 + other.per_token2,
        )


class Operations(Part):
    """Matrix products of one review, counted in a form's graph.

    Attributes:
        linear: Products with constant weights only: the convention of the studies ("Linear-only").
        full: All products, including those of two activations (attention scores and their use).
        by_precision: ``full`` by number format.
    """

    linear: Polynomial
    full: Polynomial
    by_precision: dict[Precision, Polynomial]


class GemmTiming(Part):
    """The fastest of several products of two square matrices with one library in one precision."""

    library: str
    version: str
    precision: Precision
    #: Rows and columns of both matrices.
    size: int
    best_s: float
    calls: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def flops_per_second(self) -> float:
        """Operations per second: 2 n^3 over the shortest time."""
        return FLOPS_PER_MAC * self.size**3 / self.best_s


class CeilingRecord(Record):
    """How fast a machine multiplies matrices: every library, precision and size that was timed."""

    kind = "ceiling"
    made_by = "slmbench profile"
    rows_in = "timings"
    shown = "library version precision size flops_per_second"

    device: str
    threads: int
    timings: list[GemmTiming]
    #: Share of the CPU that other processes used meanwhile; ``None`` where it is not known.
    others_share: float | None = None
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ceilings(self) -> dict[Precision, GemmTiming]:
        """The fastest timing of each precision."""
        best: dict[Precision, GemmTiming] = {}
        for timing in self.timings:
            if timing.precision not in best or timing.flops_per_second > best[timing.precision].flops_per_second:
                best[timing.precision] = timing
        return best


def achieved(
    operations: Mapping[Precision, float], seconds: float, ceiling: Mapping[Precision, float]
) -> float | None:
    """Return how much of the machine's GEMM ceiling a measurement reached.

    It is the time that the products would take at their ceilings over the measured time. With a single precision this
    equals operations per second over the ceiling.

    Args:
        operations: FLOPs by precision.
        seconds: Measured time, everything else that was timed included.
        ceiling: FLOP/s by precision.

    Returns:
        A fraction; ``None`` where the ceiling of a precision is unknown, or nothing was computed.
    """
    computed = {precision: flops for precision, flops in operations.items() if flops}
    if not computed or seconds <= 0 or any(precision not in ceiling for precision in computed):
        return None
    return sum(flops / ceiling[precision] for precision, flops in computed.items()) / seconds


class Roofline(Part):
    """How much of its machine's ceiling a measured cell reached.

    Latency grows with length, so the median time is taken for the review of median length.
    """

    tokens: float
    seconds: float
    macs: float
    macs_linear: float
    #: FLOPs by the precision that the device computes them in.
    flops: dict[Precision, float]
    #: The ceilings they are compared with.
    ceilings: dict[Precision, GemmTiming] = Field(default_factory=dict)
    #: Share of the CPU that other processes used while the ceilings were measured; ``None`` where it is not known.
    ceiling_others_share: float | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def flops_per_second(self) -> float:
        """Operations per second of all precisions together."""
        return sum(self.flops.values()) / self.seconds

    @computed_field  # type: ignore[prop-decorator]
    @property
    def achieved(self) -> float | None:
        """Fraction of the ceiling; see :func:`achieved`."""
        ceilings = {precision: timing.flops_per_second for precision, timing in self.ceilings.items()}
        return achieved(self.flops, self.seconds, ceilings)

    @property
    def ceiling_note(self) -> str | None:
        """What disturbed the measurement of the ceilings, as a sentence."""
        share = self.ceiling_others_share
        if share is None or share <= NOTABLE_SHARE:
            return None
        return (
            f"the GEMM ceiling was measured while other processes used {100 * share:.0f} % of the CPU: it may be too"
            " low, and the share of it that was reached too high"
        )
