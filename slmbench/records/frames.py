"""Records as tables: rows of plain values for pandas, and a small HTML table for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import require_extra

if TYPE_CHECKING:
    import pandas as pd

Value = str | int | float | bool | None


def rows_of(document: Mapping[str, Any], rows_in: str | None) -> list[dict[str, Value]]:
    """Return a record's JSON document as table rows.

    Args:
        document: From ``model_dump(mode="json")``.
        rows_in: The key of its entries: a list, or an object whose keys are forms. Each is a row, after the single
            values that the document has itself. ``None`` makes one row of the whole document.

    Returns:
        Values by dotted keys, such as ``latency.p50_ms``. An interval becomes two values, ``….low`` and ``….high``;
        other lists are left out.
    """
    if rows_in is None:
        return [_flat(document)]
    common = {key: value for key, value in document.items() if not isinstance(value, (dict, list))}
    entries = document[rows_in]
    if isinstance(entries, dict):
        return [{**common, "form": form, **_flat(entry)} for form, entry in entries.items()]
    return [{**common, **_flat(entry)} for entry in entries]


def frame_of(rows: Sequence[Mapping[str, Value]]) -> pd.DataFrame:
    """Return rows as a pandas table.

    Raises:
        SlmbenchError: pandas is not installed.
    """
    require_extra("pandas", "notebook", "a record as a table (to_frame)")
    import pandas as pd

    return pd.DataFrame(list(rows))


def html_of(title: str, rows: Sequence[Mapping[str, Value]], columns: Sequence[str]) -> str:
    """Return rows as an HTML table; every text is escaped.

    Args:
        title: What stands above the table.
        rows: From :func:`rows_of`.
        columns: Keys to show, those that some row has.
    """
    shown = [column for column in columns if any(row.get(column) is not None for row in rows)]
    head = "".join(f"<th>{escape(column)}</th>" for column in shown)
    body = "".join(f"<tr>{''.join(f'<td>{_written(row.get(column))}</td>' for column in shown)}</tr>" for row in rows)
    return f"<p>{escape(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _flat(document: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": cell for inner, cell in _flat(value).items()}
        elif not isinstance(value, list):
            found[key] = value
        elif "ci95" in key and len(value) == 2:
            found |= {f"{key}.low": value[0], f"{key}.high": value[1]}
    return found


def _written(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(str(value))
