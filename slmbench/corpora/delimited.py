"""Tables in CSV and TSV files."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError
from slmbench.corpora.lines import TOO_LONG, Lines, LineTooLong
from slmbench.corpora.rows import MAX_ROW_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from slmbench.corpora.rows import BadRows

#: Columns of the Amazon US review files, whose quotation marks are text.
AMAZON_US = ("star_rating", "review_body")


class DelimitedTable:
    """CSV or TSV with a header line. Fields may be quoted, except in the Amazon US files."""

    def __init__(self, path: Path, lines: Lines, delimiter: str, bad_rows: BadRows) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._bad_rows = bad_rows
        self.class_names: dict[str, tuple[str, ...]] = {}
        self.notes: list[str] = []
        try:
            self.columns = [name.strip() for name in next(csv.reader(lines, delimiter=delimiter))]
        except (csv.Error, LineTooLong) as error:
            raise SlmbenchError(f"{path} has no header line that can be read ({str(error) or TOO_LONG})") from None

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns."""
        places = [self.columns.index(name) for name in columns]
        width = len(self.columns)
        unquoted = set(AMAZON_US) <= set(self.columns)
        # The limit belongs to the csv module, not to a reader; it is read while a row is parsed.
        before = csv.field_size_limit(MAX_ROW_BYTES)
        try:
            reader = csv.reader(
                self._lines,
                delimiter=self._delimiter,
                quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL,
                strict=True,
            )
            number = 0
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except LineTooLong:
                    number += 1
                    self._bad_rows.report(number, TOO_LONG)
                    continue
                except csv.Error as error:
                    number += 1
                    too_long = "field larger" in str(error)
                    self._bad_rows.report(number, TOO_LONG if too_long else f"it cannot be read ({error})")
                    continue
                if not row:
                    continue
                number += 1
                if len(row) != width:
                    self._bad_rows.report(number, f"it has {len(row)} fields where the header has {width}")
                    continue
                yield number, [row[place] for place in places]
        finally:
            csv.field_size_limit(before)
