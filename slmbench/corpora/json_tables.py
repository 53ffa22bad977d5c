"""Tables in JSON and JSON Lines files, in the layouts that libraries write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from slmbench.common.errors import SlmbenchError
from slmbench.common.formatting import few
from slmbench.corpora.lines import TOO_LONG, Lines, LineTooLong
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import ObjectTable

#: Keys under which the rows of a document stand.
_ROW_KEYS = ("data", "rows", "records", "examples", "items", "train")
#: An object with more single values than this is no row: its keys are texts, and its values their labels.
_MAX_COLUMNS_OF_A_ROW = 50
#: Enough to find two that are not empty.
_LINES_TO_LOOK_AT = 20
_LAYOUTS = (
    'JSON Lines, a list of objects, {"data": [objects]}, {"column": [values]}, or what pandas\' to_json and the'
    " hub's viewer write"
)


def json_table(path: PurePath, lines: Lines, usual_lines: bool, bad_rows: BadRows) -> ObjectTable:
    """Open a file of JSON in any known layout; the row number of JSON Lines is the line number.

    Args:
        path: The file, for messages.
        lines: Its lines.
        usual_lines: Its suffix stands for JSON Lines.
        bad_rows: Told of rows that cannot be read.

    Raises:
        SlmbenchError: It is not JSON, or of no known layout.
    """
    if not _is_document(lines, usual_lines):
        return ObjectTable(_decoded(lines, bad_rows), bad_rows)
    try:
        document = json.loads(lines.rest())
    except UnicodeDecodeError:
        raise SlmbenchError(f"{path} is not in UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise SlmbenchError(f"{path} is not JSON ({error})") from None
    rows = _rows_of(document)
    if rows is None:
        raise SlmbenchError(f"{path} is JSON in a layout that slmbench does not read (it reads {_LAYOUTS})")
    table = ObjectTable(enumerate(rows, start=1), bad_rows)
    parts = [key for key, value in document.items() if _are_objects(value)] if isinstance(document, dict) else []
    if len(parts) > 1 and (read := next((key for key in _ROW_KEYS if key in parts), None)):
        table.notes.append(f"read is '{read}'; left out: {few([part for part in parts if part != read])}")
    return table


def _is_document(lines: Lines, usual_lines: bool) -> bool:
    """Say whether a file is one JSON document rather than one object a line."""
    first = [line.strip() for line in lines.ahead(_LINES_TO_LOOK_AT) if line.strip()]
    if not first:
        return False
    found = _parsed(first[0])
    alone = len(first) == 1
    if isinstance(found, dict):
        return alone and _rows_of(found) is not None
    if found is not None or usual_lines:
        return (isinstance(found, list) and (alone or not usual_lines)) or first[0] in (b"[", b"{", b"[{")
    return first[0].startswith((b"[", b"{"))


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _decoded(lines: Lines, bad_rows: BadRows) -> Iterator[tuple[int, Any]]:
    number = 0
    while True:
        number += 1
        try:
            line = next(lines)
        except StopIteration:
            return
        except LineTooLong:
            bad_rows.report(number, TOO_LONG)
            continue
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            bad_rows.report(number, f"it is not JSON ({error})")


def _rows_of(document: Any) -> list[Any] | None:
    """Return the rows of a document, or ``None`` when its layout is not known."""
    if isinstance(document, list):
        if document and all(isinstance(row, list) for row in document):
            return _under(document[0], document[1:])
        return document
    if not isinstance(document, dict) or not document:
        return None
    values = list(document.values())
    if isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):
        return _under(document["columns"], document["data"])
    tables = {key: value for key, value in document.items() if _are_objects(value)}
    for key in [key for key in _ROW_KEYS if key in tables] or (list(tables) if len(tables) == 1 else []):
        # The hub's viewer wraps each row.
        return [row["row"] if isinstance(row.get("row"), dict) else row for row in tables[key]]
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        return _under(list(document), list(zip(*values, strict=True)))
    if all(isinstance(value, dict) for value in values):
        return _rows_of_objects(document)
    if len(values) > _MAX_COLUMNS_OF_A_ROW and all(isinstance(value, (str, int, float)) for value in values):
        return [{"text": text, "label": label} for text, label in document.items()]
    return None


def _rows_of_objects(document: dict[str, dict[str, Any]]) -> list[Any] | None:
    """Return the rows of an object of objects: columns of values by row, or rows by their index."""
    inner = list(next(iter(document.values())))
    if any(list(value) != inner for value in document.values()):
        return list(document.values()) if all(key.isdecimal() for key in document) else None
    if all(key.isdecimal() for key in inner) or not (
        all(key.isdecimal() for key in document) or len(document) >= len(inner)
    ):
        return [{column: values[key] for column, values in document.items()} for key in inner]
    return list(document.values())


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _under(columns: Any, rows: list[Any]) -> list[Any] | None:
    """Return rows of values as objects."""
    if not all(isinstance(name, str) for name in columns) or any(len(row) != len(columns) for row in rows):
        return None
    return [dict(zip(columns, row, strict=True)) for row in rows]
