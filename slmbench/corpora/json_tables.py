"""Tables in JSON and JSON Lines files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError
from slmbench.corpora.lines import TOO_LONG, Lines, LineTooLong
from slmbench.corpora.tables import ObjectTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slmbench.corpora.rows import BadRows


def json_lines_table(lines: Lines, bad_rows: BadRows) -> ObjectTable:
    """Open a file of one JSON object a line; the row number is the line number."""
    return ObjectTable(_decoded(lines, bad_rows), bad_rows)


def json_array_table(path: Path, content: bytes, bad_rows: BadRows) -> ObjectTable:
    """Open a file that is one JSON array of objects.

    Raises:
        SlmbenchError: It is not JSON, or not in UTF-8.
    """
    try:
        found = json.loads(content)
    except UnicodeDecodeError:
        raise SlmbenchError(f"{path} is not in UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise SlmbenchError(f"{path} is not JSON ({error})") from None
    return ObjectTable(enumerate(found, start=1), bad_rows)


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
