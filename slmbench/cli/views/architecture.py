"""How architecture-only profiles look to people on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from slmbench.cli.views.tables import plain_table
from slmbench.common.formatting import three_digits

if TYPE_CHECKING:
    from rich.console import RenderableType

    from slmbench.profiling.architectures.catalogue import PublishedModel
    from slmbench.records.architecture import ArchitectureRecord, Arithmetic


def arithmetic_lines(model: PublishedModel, arithmetic: Arithmetic) -> list[str]:
    """Say what a configuration needs before anything is allocated."""
    kept = ", ".join(f"{_size(arithmetic.weight_bytes[dtype])} in {dtype}" for dtype in ("fp32", "bf16", "int8"))
    full, linear = (work.at(arithmetic.tokens) / 1e9 for work in (arithmetic.full, arithmetic.linear))
    free = arithmetic.available_bytes
    return [
        f"{model.name}: {arithmetic.parameters:,} parameters, without embeddings"
        f" {arithmetic.parameters_without_embeddings:,} ({model.source})",
        f"weights: {kept}",
        f"activations: about {_size(arithmetic.activation_bytes)} in {arithmetic.dtype}"
        f" (batch {arithmetic.batch_size} of {arithmetic.tokens} tokens)",
        f"operations: {three_digits(full)} G MACs a review of {arithmetic.tokens} tokens,"
        f" {three_digits(linear)} G with weights",
        f"memory: {_size(arithmetic.needed_bytes)} needed in {arithmetic.dtype} with the runtime,"
        f" {'unknown' if free is None else _size(free)} free",
    ]


def architecture_view(record: ArchitectureRecord) -> list[RenderableType]:
    """Show an architecture-only profile."""
    title = Text(
        f"{record.model}, {record.task}, {record.device} {record.dtype}, batch {record.batch_size},"
        f" threads: {record.threads} (random weights)"
    )
    headers = ("tokens", "p50 ms", "95 % interval", "samples", "G MACs", "% of ceiling", "peak MB")
    table = plain_table(*headers, numbers=slice(None))
    for timing in record.timings:
        interval, reached = timing.ci95_ms, timing.roofline.achieved
        peak = timing.device_peak_bytes or timing.peak_bytes
        table.add_row(
            f"{timing.tokens:,}",
            f"{timing.p50_ms:,.2f}",
            f"{interval[0]:,.2f}–{interval[1]:,.2f}" if interval else "",
            f"{len(timing.samples_ms)}",
            f"{record.batch_size * record.arithmetic.full.at(timing.tokens) / 1e9:,.3f}",
            f"{100 * reached:.0f}" if reached is not None else "",
            f"{peak / 1e6:,.0f}" if peak is not None else "",
        )
    return [title, table, *(Text(warning, style="dim") for warning in record.warnings)]


def _size(value: int) -> str:
    """Write bytes in GB (10^9), below one in MB."""
    return f"{value / 1e9:,.2f} GB" if value >= 1e9 else f"{value / 1e6:,.1f} MB"
