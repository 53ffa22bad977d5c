"""Tables of reviews in any supported form, read one row at a time."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.corpora.rows import MAX_ROW_BYTES

if TYPE_CHECKING:
    from slmbench.common.progress import Task
    from slmbench.corpora.rows import BadRows

_DELIMITED = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson", ".json")
FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
#: Columns of the Amazon US review files, whose quotation marks are text.
AMAZON_US = ("star_rating", "review_body")
_TOO_LONG = f"it is longer than {MAX_ROW_BYTES // 1_000_000} MB; is this one review a line?"
_SHOWN_EVERY = 500


class Table(Protocol):
    """Rows with named columns. A table is read once."""

    columns: list[str]

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns; rows that cannot be read are reported."""


def format_of(path: Path) -> str:
    """Return the suffix that says how to read a file, ``.gz`` left aside; empty when it has none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


@contextmanager
def open_table(path: Path, bad_rows: BadRows, task: Task) -> Iterator[Table]:
    """Open a local file of reviews.

    Args:
        path: A CSV, TSV, JSON Lines, JSON or Parquet file; all but Parquet may be compressed with gzip.
        bad_rows: Told of rows that cannot be read.
        task: Advanced by the bytes of the file that are read.

    Yields:
        The table.

    Raises:
        UsageError: It is a folder, or of no supported format.
        SlmbenchError: It cannot be read, is empty, or is damaged.
    """
    kind = format_of(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the file with the reviews")
    if kind not in FORMATS:
        raise UsageError(f"{path} is of no format slmbench reads ({', '.join(FORMATS)}, also with .gz)")
    if kind == ".parquet":
        require_extra("pyarrow", "parquet", "reading Parquet files")
    try:
        with path.open("rb") as raw:
            if kind == ".parquet":
                yield _ParquetTable(path, raw, task)
                return
            compressed = path.suffix.lower() == ".gz"
            with cast("IO[bytes]", gzip.open(raw)) if compressed else raw as file:
                lines = _Lines(file, raw, task)
                lines.check_start(path)
                if kind in _DELIMITED:
                    yield _DelimitedTable(path, lines, _DELIMITED[kind], bad_rows)
                elif kind == ".json" and lines.starts_with(b"["):
                    yield _JsonArrayTable(path, lines.rest(), bad_rows)
                else:
                    yield _JsonLinesTable(path, lines, bad_rows)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SlmbenchError(f"{path} is damaged: it cannot be decompressed ({error})") from None
    except OSError as error:
        raise SlmbenchError(f"{path} cannot be read ({error.strerror or error})") from None


class _LineTooLong(Exception):  # noqa: N818 - caught one frame up, never shown
    pass


class _Lines:
    """Lines of a binary file as text, none longer than a row may be.

    Bytes that are no UTF-8 become lone surrogates, so that whoever knows the row number can report them.
    """

    def __init__(self, file: IO[bytes], raw: IO[bytes], task: Task) -> None:
        self._file = file
        self._raw = raw
        self._task = task
        self._shown = 0
        self._read = 0
        self._start = file.readline(MAX_ROW_BYTES + 1).removeprefix(b"\xef\xbb\xbf")

    def check_start(self, path: Path) -> None:
        if not self._start:
            raise SlmbenchError(f"{path} is empty")
        if self._start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise SlmbenchError(f"{path} is in UTF-16; save it as UTF-8")

    def starts_with(self, sign: bytes) -> bool:
        return self._start.lstrip().startswith(sign)

    def rest(self) -> bytes:
        return self._start + self._file.read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._start = self._start, b""
        line = line or self._file.readline(MAX_ROW_BYTES + 1)
        if not line:
            self._show()
            raise StopIteration
        self._read += 1
        if self._read % _SHOWN_EVERY == 0:
            self._show()
        if len(line) > MAX_ROW_BYTES:
            while line and not line.endswith(b"\n"):
                line = self._file.readline(MAX_ROW_BYTES)
            raise _LineTooLong
        return line.decode("utf-8", "surrogateescape")

    def _show(self) -> None:
        position = self._raw.tell()
        self._task.advance(position - self._shown)
        self._shown = position


class _DelimitedTable:
    """CSV or TSV with a header line. Fields may be quoted, except in the Amazon US files."""

    def __init__(self, path: Path, lines: _Lines, delimiter: str, bad_rows: BadRows) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._bad_rows = bad_rows
        try:
            self.columns = [name.strip() for name in next(csv.reader(lines, delimiter=delimiter))]
        except (csv.Error, _LineTooLong) as error:
            raise SlmbenchError(f"{path} has no header line that can be read ({str(error) or _TOO_LONG})") from None

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
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
                except _LineTooLong:
                    number += 1
                    self._bad_rows.report(number, _TOO_LONG)
                    continue
                except csv.Error as error:
                    number += 1
                    too_long = "field larger" in str(error)
                    self._bad_rows.report(number, _TOO_LONG if too_long else f"it cannot be read ({error})")
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


class _JsonLinesTable:
    """One JSON object a line; the row number is the line number."""

    def __init__(self, path: Path, lines: _Lines, bad_rows: BadRows) -> None:
        self._bad_rows = bad_rows
        self._objects = self._read(lines)
        first = list(islice(self._objects, 100))
        self.columns = list(dict.fromkeys(key for _, found in first for key in found))
        self._objects = chain(first, self._objects)

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        return _cells_of_objects(self._objects, columns)

    def _read(self, lines: _Lines) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        while True:
            number += 1
            try:
                line = next(lines)
            except StopIteration:
                return
            except _LineTooLong:
                self._bad_rows.report(number, _TOO_LONG)
                continue
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                self._bad_rows.report(number, f"it is not JSON ({error})")
                continue
            if isinstance(found, dict):
                yield number, found
            else:
                self._bad_rows.report(number, "it is not a JSON object")


class _JsonArrayTable:
    """A JSON array of objects, read whole."""

    def __init__(self, path: Path, content: bytes, bad_rows: BadRows) -> None:
        self._bad_rows = bad_rows
        try:
            self._found = json.loads(content)
        except UnicodeDecodeError:
            raise SlmbenchError(f"{path} is not in UTF-8; save it as UTF-8") from None
        except (ValueError, RecursionError) as error:
            raise SlmbenchError(f"{path} is not JSON ({error})") from None
        objects = [found for found in self._found[:100] if isinstance(found, dict)]
        self.columns = list(dict.fromkeys(key for found in objects for key in found))

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        return _cells_of_objects(self._objects(), columns)

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, found in enumerate(self._found, start=1):
            if isinstance(found, dict):
                yield number, found
            else:
                self._bad_rows.report(number, "it is not a JSON object")


def _cells_of_objects(
    objects: Iterator[tuple[int, dict[str, Any]]], columns: Sequence[str]
) -> Iterator[tuple[int, Sequence[Any]]]:
    return ((number, [found.get(name) for name in columns]) for number, found in objects)


class _ParquetTable:
    """A Parquet file, of which only the columns asked for are read."""

    def __init__(self, path: Path, raw: IO[bytes], task: Task) -> None:
        import pyarrow
        import pyarrow.parquet

        self._path = path
        self._task = task
        self._bytes = path.stat().st_size
        self._damaged = pyarrow.ArrowException
        try:
            self._file = pyarrow.parquet.ParquetFile(raw)
        except pyarrow.ArrowException as error:
            raise SlmbenchError(f"{path} is not a Parquet file ({error})") from None
        self.columns = list(self._file.schema_arrow.names)

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        number = 0
        rows = max(self._file.metadata.num_rows, 1)
        try:
            for batch in self._file.iter_batches(columns=list(columns), batch_size=4096):
                lists = [batch.column(name).to_pylist() for name in columns]
                for values in zip(*lists, strict=True):
                    number += 1
                    yield number, values
                self._task.advance(self._bytes * batch.num_rows / rows)
        except self._damaged as error:
            raise SlmbenchError(f"{self._path} is damaged ({error})") from None
