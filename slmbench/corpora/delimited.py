"""Tables in CSV and TSV files, whatever their delimiter, with a header line or without."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora.lines import TOO_LONG, Lines, LineTooLong
from slmbench.corpora.rows import INVISIBLE, MAX_ROW_BYTES, BadRows
from slmbench.corpora.tables import Table, TableFormat

#: Columns of the Amazon US review files, whose quotation marks are text.
AMAZON_US = ("star_rating", "review_body")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
#: Lines that are looked at.
_SNIFFED_LINES = 40
#: Share of them that must have as many fields as the first.
_EQUAL_SHARE = 0.9
#: The line that spreadsheets read the delimiter from.
_SEP_LINE = re.compile(rb"\s*\"?sep=(.)\"?\r?\n?", re.IGNORECASE | re.DOTALL)
_ADVICE = "; if fields, header line or characters are read wrongly, name --delimiter, --header or --encoding"
#: How fields may be quoted besides the usual way, which is tried first, and what is said of it.
_QUOTINGS: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, ""),
    ({"skipinitialspace": True}, "fields have a space before them"),
    ({"escapechar": "\\", "doublequote": False}, "quotation marks in fields have a backslash before them"),
    ({"quoting": csv.QUOTE_NONE}, "quotation marks are text"),
)
#: From so many words on, a field of the first line is a text and not the name of a column.
_WORDS_OF_A_TEXT = 6


class DelimitedTable(Table):
    """CSV or TSV. Fields may be quoted, except in the Amazon US files.

    Args:
        path: The file, for messages.
        lines: Its lines.
        usual: The delimiter that its suffix stands for.
        given: What the caller has said of its layout.
        known: Column names, in lower case, that tell a header line from a row.
        bad_rows: Told of rows that cannot be read.

    Raises:
        UsageError: The delimiter is longer than a character.
        SlmbenchError: There is no first line that can be read.
    """

    def __init__(
        self, path: PurePath, lines: Lines, usual: str, given: TableFormat, known: Collection[str], bad_rows: BadRows
    ) -> None:
        super().__init__()
        self.advice = _ADVICE
        self._lines = lines
        self._bad_rows = bad_rows
        self._quoting: dict[str, Any] = {}
        self._repeated_header: list[str] | None = None
        delimiter = _one_character(given.delimiter)
        while (begin := lines.ahead(1)) and not begin[0].strip():
            next(lines)
        if not begin:
            raise SlmbenchError(f"{path} is empty")
        if marked := _SEP_LINE.fullmatch((lines.ahead(1) or [b""])[0]):
            next(lines)
            delimiter = delimiter or marked.group(1).decode("latin-1")
            self.notes.append("the first line names the delimiter (sep=)")
        self._delimiter = delimiter or self._sniffed_delimiter(usual, known)
        self._quoting = self._sniffed_quoting()
        rows = self._first_rows(self._delimiter)
        header = given.header
        if header is None:
            header = not _is_row(rows, known)
        if header:
            self.columns = self._header(path)
            return
        self.advice = f"; they are numbers because it has no header line{_ADVICE}"
        self.columns = [str(place + 1) for place in range(len(rows[0]) if rows else 0)]
        named = ", ".join(f"{role} {column}" for role, column in _roles(rows).items())
        self.guesses = _roles(rows)
        self.notes.append(
            f"no header line: the columns are called {', '.join(self.columns)}{f' ({named})' if named else ''}"
        )

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns."""
        places = [self.columns.index(name) for name in columns]
        width = len(self.columns)
        unquoted = {"quoting": csv.QUOTE_NONE} if set(AMAZON_US) <= set(self.columns) else {}
        # The limit belongs to the csv module, not to a reader; it is read while a row is parsed.
        before = csv.field_size_limit(MAX_ROW_BYTES)
        try:
            reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True, **(self._quoting | unquoted))
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
                    self._bad_rows.report(number, _why(error))
                    continue
                if not row or (len(row) == 1 < width and not row[0].strip()):
                    continue
                number += 1
                if row == self._repeated_header and width > 1:  # of a file that was appended
                    continue
                if len(row) != width:
                    self._bad_rows.report(number, f"it has {len(row)} fields where the header has {width}")
                    continue
                yield number, [row[place] for place in places]
        finally:
            csv.field_size_limit(before)

    def _header(self, path: PurePath) -> list[str]:
        try:
            header = next(csv.reader(self._lines, delimiter=self._delimiter, **self._quoting), [])
        except (csv.Error, LineTooLong) as error:
            why = TOO_LONG if isinstance(error, LineTooLong) else _why(error)
            raise SlmbenchError(f"{path} has no header line that can be read: {why}{_ADVICE}") from None
        self._repeated_header = header
        return self.different(_name(name) for name in header)

    def _sniffed_delimiter(self, usual: str, known: Collection[str]) -> str:
        """Return the delimiter that the first lines fit; the usual one goes before others.

        Names of columns that are known tell best; then as many fields in each line, one of which repeats its values
        as a label does; then as many fields in each line.
        """
        others = [delimiter for delimiter in _NAMES if delimiter != usual]
        rows = {delimiter: self._first_rows(delimiter) for delimiter in (usual, *others)}
        even = [delimiter for delimiter in rows if _has_even_rows(rows[delimiter])]
        named = [delimiter for delimiter in rows if rows[delimiter] and _names_in(rows[delimiter][0]) & set(known)]
        named = [delimiter for delimiter in named if len(rows[delimiter][0]) > 1]
        labelled = [delimiter for delimiter in even if _has_labels(rows[delimiter], delimiter)]
        best = [*named[: usual in named], *(one for one in named if one in even), *labelled]
        if not best and rows[usual] and len(rows[usual][0]) > 1:
            best = [usual]
        found = (*best, *even, usual)[0]
        if found != usual:
            self.notes.append(f"fields are separated by {_NAMES[found]}")
        return found

    def _sniffed_quoting(self) -> dict[str, Any]:
        """Return the usual quoting, unless the first lines do not fit it and fit another."""
        text = self._text_ahead()
        for quoting, note in _QUOTINGS:
            if quoting.get("quoting") == csv.QUOTE_NONE and self._delimiter in ",;":
                continue  # where texts hold the delimiter they have to be quoted
            if "escapechar" in quoting and not any('\\"' in line for line in text):
                continue
            widths: list[int] = []
            cut = False
            # The last of the lines may begin a field of several; then the lines before it fit the usual quoting.
            whole = text if "quoting" in quoting or len(text) < _SNIFFED_LINES else text[:-1]
            try:
                for row in csv.reader(whole, delimiter=self._delimiter, strict=True, **quoting):
                    # Where marks are text, a blank line would be the middle of a text.
                    widths += [len(row)] if row or "quoting" in quoting else []
            except csv.Error as error:
                if "end of data" not in str(error):
                    continue
                cut = True  # by the last of the lines looked at, or never closed
            if len(set(widths)) == 1 and (widths[0] > 1 or not quoting) and not (cut and self._delimiter not in ",;"):
                self.notes += [note] if note else []
                return quoting
        return {}

    def _text_ahead(self) -> list[str]:
        return [line.decode("utf-8", "replace") for line in self._lines.ahead(_SNIFFED_LINES)]

    def _first_rows(self, delimiter: str) -> list[list[str]]:
        """Return the rows that the first lines hold, without taking the lines; the last may be cut."""
        text = self._text_ahead()
        rows: list[list[str]] = []
        with suppress(csv.Error):  # reported with its number when the row is read
            rows.extend(row for row in csv.reader(text, delimiter=delimiter, **self._quoting) if row)
        return rows[:-1] if len(rows) > 2 and len(text) == _SNIFFED_LINES else rows


def _why(error: Exception) -> str:
    """Return why a row cannot be read."""
    if "field larger" in str(error):
        return TOO_LONG
    if "new-line character" in str(error):
        return "it has a carriage return outside quotation marks"
    return f"it cannot be read ({error})"


def _one_character(delimiter: str | None) -> str | None:
    """Return a delimiter: a tab may be written as ``tab`` or by its escape."""
    meant = {"\\t": "\t", "tab": "\t"}.get(delimiter or "", delimiter)
    if meant is not None and len(meant) != 1:
        raise UsageError(f"--delimiter has to be one character, or 'tab', not '{delimiter}'")
    return meant


def _name(field: str) -> str:
    """Return the name of a column without what is not seen of it."""
    return field.translate(INVISIBLE).strip()


def _names_in(row: list[str]) -> set[str]:
    return {_name(field).lower() for field in row}


def _has_even_rows(rows: list[list[str]]) -> bool:
    """Say whether nearly all rows have as many fields as the first, and more than one."""
    width = len(rows[0]) if rows else 0
    return width > 1 and sum(len(row) == width for row in rows) >= _EQUAL_SHARE * len(rows)


def _has_labels(rows: list[list[str]], delimiter: str) -> bool:
    """Say whether a column repeats its values, and no other delimiter is in them, as a column of labels.

    Where a space follows the delimiter in each line it belongs to the texts.
    """
    full = [row for row in rows[1:] if len(row) == len(rows[0])]
    if all(any(field.startswith(" ") for field in row[1:]) for row in full):
        return False
    return any(
        len(set(values)) * 2 <= len(values)
        and not any(other in value for value in values for other in _NAMES if other != delimiter)
        for values in zip(*full, strict=True)
    )


def _is_row(rows: list[list[str]], known: Collection[str]) -> bool:
    """Say whether the first line is a row: none of its fields is a known name, and one is a value or a long text."""
    if not rows or _names_in(rows[0]) & set(known):
        return False
    if any(len(field.split()) >= _WORDS_OF_A_TEXT for field in rows[0]):
        return True
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    # A label of the first row comes again below; a column's name does not.
    return len(first) > 1 and any(
        sum(row[place] == field for row in rest) > 1 for place, field in enumerate(first) if field.strip()
    )


def _roles(rows: list[list[str]]) -> dict[str, str]:
    """Return which of two columns without names is the text and which the label, by their values."""
    full = [row for row in rows if len(row) == 2]
    if len(full) < 2 or len(full) < len(rows) - 1:
        return {"text": "1"} if rows and len(rows[0]) == 1 else {}
    lengths = [sum(len(row[place]) for row in full) for place in (0, 1)]
    different = [len(Counter(row[place] for row in full)) for place in (0, 1)]
    text = int(lengths[1] > lengths[0])
    if different[text] < different[1 - text]:
        return {}
    return {"text": str(text + 1), "label": str(2 - text)}
