"""Rows of an input by their place in it, whichever file they are in; what cannot be read has its place, too."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate, islice
from typing import Any

from slmbench.common.errors import SlmbenchError
from slmbench.corpora.arrow_tables import ArrowTable
from slmbench.corpora.columns import is_missing, join_texts
from slmbench.corpora.rows import BadRows, without_half_pairs
from slmbench.corpora.tables import ObjectTable, Table, TableFormat
from slmbench.scoring.inputs import Input, InputFile

_UNKNOWN = -1

#: A row: its number in its file, the values of the columns that were asked for, and what is wrong with it; of a row
#: that cannot be read there are no values. A tuple, as one is made for each of very many rows.
InputRow = tuple[int, Sequence[Any], str | None]


class _Reported(BadRows):
    """Keeps what is said of rows that cannot be read until their place is reached."""

    def __init__(self, source: str) -> None:
        super().__init__(source, skip=True)
        self.waiting: deque[tuple[int, str]] = deque()

    def report(self, number: int, why: str) -> None:
        """Keep it."""
        super().report(number, why)
        self.waiting.append((number, why))


def rows_of(table: Table, bad_rows: _Reported, columns: Sequence[str], skipped: int = 0) -> Iterator[InputRow]:
    """Yield the rows of a table after the first so many, those that cannot be read in their place."""
    if isinstance(table, ArrowTable):
        for number, values in table.cells_after(columns, skipped):
            yield number, values, None
        return
    waiting = bad_rows.waiting
    for number, values in table.cells(columns):
        # A table may have looked ahead.
        while waiting and waiting[0][0] < number:
            bad, why = waiting.popleft()
            if skipped:
                skipped -= 1
            else:
                yield bad, (), why
        if skipped:
            skipped -= 1
        else:
            yield number, values, None
    for number, why in list(waiting)[skipped:]:
        yield number, (), why


class RowReader:
    """Reads ranges of the rows of all files; ranges that follow one another are read without going back.

    Args:
        source: The files.
        counts: How many rows each has.
        columns: What is read of each row.
        layout: What was said of the layout of CSV and TSV files.

    Attributes:
        file: The file of the last row.
    """

    def __init__(self, source: Input, counts: Sequence[int], columns: Sequence[str], layout: TableFormat) -> None:
        self._source = source
        self._ends = list(accumulate(counts))
        self._columns = columns
        self._layout = layout
        self._open = ExitStack()
        self._rows: Iterator[InputRow] = iter(())
        self.file = ""
        self._file: int | None = None
        self._can_jump = False
        self._next = 0

    def between(self, begin: int, end: int) -> Iterator[InputRow]:
        """Yield the rows from one place to before another, counted from 0 over all files.

        Raises:
            SlmbenchError: A file cannot be read, or is not as it was when its rows were counted.
        """
        place = begin
        while place < end:
            number = bisect_right(self._ends, place)
            file, first = self._source.files[number], self._ends[number - 1] if number else 0
            self._go_to(number, place - first)
            self.file = file.name
            wanted = min(end, self._ends[number]) - place
            # Until all are read it is not known where the file stands.
            before, self._next = self._next, _UNKNOWN
            read = 0
            for row in islice(self._rows, wanted):
                read += 1
                yield row
            if read < wanted:
                raise self._changed(file)
            if self._source.changed(file):
                raise self._changed(file)
            self._next = before + wanted
            place += wanted

    def close(self) -> None:
        """Close the file that is open."""
        self._rows = iter(())
        self._open.close()
        self._file = None

    def __enter__(self) -> RowReader:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file that is open."""
        self.close()

    def _go_to(self, number: int, row: int) -> None:
        """Be at a row of a file."""
        file = self._source.files[number]
        if self._source.changed(file):
            raise self._changed(file)
        if self._file == number and self._next == row:
            return
        if self._file == number and 0 <= self._next < row and not self._can_jump:
            for _ in islice(self._rows, row - self._next):
                pass
            self._next = row
            return
        self.close()
        bad_rows = _Reported(file.name)
        table = self._open.enter_context(self._source.open(file, self._layout, bad_rows))
        check_columns(table, file.name, self._columns)
        self._can_jump = isinstance(table, ArrowTable)
        self._rows = rows_of(table, bad_rows, self._columns, row)
        self._file, self._next = number, row

    def _changed(self, file: InputFile) -> SlmbenchError:
        return SlmbenchError(f"{file.name} was changed while it was read: name a new folder for the output")


def count_rows(source: Input, file: InputFile, columns: Sequence[str], layout: TableFormat) -> int:
    """Return how many rows a file has, those that cannot be read included.

    Of Parquet only the end is read, of other files all.
    """
    bad_rows = _Reported(file.name)
    with source.open(file, layout, bad_rows) as table:
        check_columns(table, file.name, columns)
        if isinstance(table, ArrowTable) and table.rows is not None:
            return table.rows
        return sum(1 for _ in rows_of(table, bad_rows, columns))


def check_columns(table: Table, name: str, columns: Sequence[str]) -> None:
    """Check that a file has the columns that the first one has; objects need not have each.

    Raises:
        SlmbenchError: It lacks one.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing and not isinstance(table, ObjectTable):
        raise SlmbenchError(f"{name} has no column {missing[0]!r}, which the first file has: make the files alike")


def text_of(values: Sequence[Any]) -> tuple[str, str | None]:
    """Return the text of a row, or what is wrong with it.

    Args:
        values: Of its text columns.

    Returns:
        The text, which may be empty, and ``None``; or an empty text and why the row has none.
    """
    value = join_texts(values)
    if isinstance(value, str):
        if value.isascii():
            return value, None
        text = without_half_pairs(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            return "", "it is not in UTF-8 (broken characters)"
        return text, None
    if is_missing(value):
        return "", "there is no text"
    if isinstance(value, (list, dict, tuple)):
        return "", f"the text is not a string but {str(value)[:50]!r}"
    return str(value), None
