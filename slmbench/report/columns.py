"""Columns of the reports that are there only when some row has them: energy, carbon, operations, the GEMM ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.common.formatting import scaled, three_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slmbench.records import Row


@dataclass(frozen=True)
class Column:
    """One quantity of a row.

    Attributes:
        title: Its header.
        unit: What stands below the header.
        value: The quantity in that unit; ``None`` where it is not known.
        remark: What has to be said of it beside the number.
    """

    title: str
    unit: str
    value: Callable[[Row], float | None]
    remark: Callable[[Row], str | None] = lambda row: None

    def shown(self, row: Row) -> str:
        """Return what stands in the cell of a row; a dash for what is not known."""
        value = self.value(row)
        if value is None:
            return "–"
        remark = self.remark(row)
        return f"{three_digits(value)} ({remark})" if remark else three_digits(value)


COLUMNS = (
    Column("energy", "J per 1,000", lambda row: scaled(row.joules_per_review, 1e3), lambda row: row.energy_quality),
    Column("carbon", "g CO₂e per 1,000", lambda row: scaled(row.gco2e_per_review, 1e3)),
    Column("of GEMM ceiling", "%", lambda row: scaled(row.ceiling_reached, 100)),
    Column("work", "GMACs", lambda row: scaled(row.macs, 1e-9)),
    Column("linear-only", "GMACs", lambda row: scaled(row.macs_linear, 1e-9)),
)


def known_columns(rows: Sequence[Row]) -> list[Column]:
    """Return the columns that some row fills."""
    return [column for column in COLUMNS if any(column.value(row) is not None for row in rows)]
