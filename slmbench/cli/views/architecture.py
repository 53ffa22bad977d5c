"""How architecture-only profiles look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from slmbench.cli.views.fitting_table import FittingTable, number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from slmbench.records.architecture import ArchitectureRecord


def architecture_view(record: ArchitectureRecord) -> list[RenderableType]:
    """Show an architecture-only profile."""
    title = Text(
        f"{record.model}, {record.task}, {record.device} {record.dtype}, batch {record.batch_size},"
        f" threads: {record.threads} (random weights, accuracy unknown)"
    )
    table = FittingTable(
        [
            number("tokens"),
            number("p50\nms"),
            number("95 %\ninterval", leaves=2),
            number("samples", leaves=1),
            number("G MACs", leaves=3),
            number("% of\nceiling", leaves=4),
            number("peak\nMB", leaves=5),
        ]
    )
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
