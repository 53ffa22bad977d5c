"""``rows.csv``: every row with unrounded numbers, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from slmbench.records import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Fields that are intervals: a column for each end.
_INTERVALS = ("accuracy_ci95", "p50_ci95_ms", "p95_ci95_ms", "reviews_per_second_ci95")


def render_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV with a header; what is not known is an empty cell.

    Args:
        rows: Rows of a comparison.

    Returns:
        A column for each field of a row, two for an interval (``accuracy_ci95_low``, ``accuracy_ci95_high``).
    """
    names: list[str] = []
    for field in Row.model_fields:
        names += [f"{field}_low", f"{field}_high"] if field in _INTERVALS else [field]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = row.model_dump()
        for field in _INTERVALS:
            values[f"{field}_low"], values[f"{field}_high"] = values.pop(field) or (None, None)
        writer.writerow(values)
    return text.getvalue()
