"""``rows.csv``: every row with unrounded numbers, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from slmbench.compare.quantities import quantities
from slmbench.records import Row
from slmbench.statistics import Interval


def render_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV with a header; what is not known is an empty cell.

    Args:
        rows: Rows of a comparison.

    Returns:
        A column for each field of a row and each metric that some row has, two for an interval
        (``accuracy_ci95_low``, ``accuracy_ci95_high``). Units are plain: bytes, fractions, joules a review.
    """
    intervals = {quantity.interval_field for quantity in quantities().values()}
    documents = [_columns(row, intervals) for row in rows]
    text = io.StringIO()
    names = list(dict.fromkeys(name for document in documents for name in document))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(documents)
    return text.getvalue()


def _columns(row: Row, intervals: set[str | None]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for field in Row.model_fields:
        value = getattr(row, field)
        if field == "metrics":
            columns |= value
        elif field == "metrics_ci95":
            for metric, interval in value.items():
                columns |= _ends(f"{metric}_ci95", interval)
        else:
            columns |= _ends(field, value) if field in intervals else {field: value}
    return columns


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}
