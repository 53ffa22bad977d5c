"""A measured time beside the operations it was spent on and the machine's ceiling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.progress import SILENT
from slmbench.instruments.roofline.ceiling import machine_ceiling
from slmbench.records.roofline import FLOPS_PER_MAC, Precision, Roofline

if TYPE_CHECKING:
    from slmbench.common.progress import Progress
    from slmbench.records.roofline import CeilingRecord, Operations

#: onnxruntime's CPU provider has no products in half precision: it computes them in single.
_COMPUTED_IN: dict[str, dict[Precision, Precision]] = {"cpu": {"fp16": "fp32"}}


def roofline_of(operations: Operations, tokens: float, seconds: float, ceiling: CeilingRecord) -> Roofline:
    """Say what of the machine's ceiling a form reached under onnxruntime.

    Args:
        operations: Of the form, as counted when it was exported.
        tokens: Median length of the reviews that were timed, in tokens.
        seconds: Median time of one review.
        ceiling: Of the device and the number of threads that it was timed with.
    """
    computed_in = _COMPUTED_IN.get(ceiling.device, {})
    flops: dict[Precision, float] = {}
    for stored, polynomial in operations.by_precision.items():
        precision = computed_in.get(stored, stored)
        flops[precision] = flops.get(precision, 0.0) + FLOPS_PER_MAC * polynomial.at(tokens)
    best = ceiling.ceilings
    return Roofline(
        tokens=tokens,
        seconds=seconds,
        macs=operations.full.at(tokens),
        macs_linear=operations.linear.at(tokens),
        flops=flops,
        ceilings={precision: best[precision] for precision in flops if precision in best},
    )


def held_against_ceiling(
    operations: Operations, tokens: float, seconds: float, device: str, threads: int, progress: Progress = SILENT
) -> Roofline:
    """Say what of this machine's ceiling a form reached; the ceiling is measured when it is first asked for.

    No form is faster than its products alone: a ceiling that is exceeded was measured while the machine did other
    work, and is measured anew.

    Args:
        operations: See :func:`roofline_of`.
        tokens: See :func:`roofline_of`.
        seconds: See :func:`roofline_of`.
        device: What it was timed on.
        threads: And with how many threads.
        progress: Where to say that the ceiling is being measured.

    Raises:
        SlmbenchError: The ceiling cannot be measured.
    """
    found = roofline_of(operations, tokens, seconds, machine_ceiling(device, threads, progress=progress))
    if found.achieved is not None and found.achieved > 1:
        ceiling = machine_ceiling(device, threads, again=True, progress=progress)
        found = roofline_of(operations, tokens, seconds, ceiling)
    return found
