"""Which files are tables of reviews, and how each is opened."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.progress import Task
from slmbench.corpora.delimited import DelimitedTable
from slmbench.corpora.encoding import open_text
from slmbench.corpora.json_tables import json_table
from slmbench.corpora.lines import Lines
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import Table, TableFormat

_DELIMITED = {".csv": ",", ".tsv": "\t"}
FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


def format_of(path: Path) -> str:
    """Return the suffix that says how to read a file, ``.gz`` left aside; empty when it has none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


@contextmanager
def open_table(
    path: Path, layout: TableFormat, known: Collection[str], bad_rows: BadRows, task: Task
) -> Iterator[Table]:
    """Open a local file of reviews.

    Args:
        path: A CSV, TSV, JSON Lines, JSON or Parquet file; all but Parquet may be compressed with gzip.
        layout: What the caller has said of its layout; the rest is found out, and noted where it is not the usual.
        known: Column names, in lower case, that tell a header line from a row.
        bad_rows: Told of rows that cannot be read.
        task: Advanced by the bytes of the file that are read.

    Yields:
        The table.

    Raises:
        UsageError: It is a folder, or of no supported format, or the layout is none.
        SlmbenchError: It cannot be read, is empty, or is damaged.
    """
    kind = format_of(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the file with the reviews")
    if kind not in FORMATS:
        raise UsageError(f"{path} is of no format slmbench reads ({', '.join(FORMATS)}, also with .gz)")
    try:
        with path.open("rb") as raw:
            if kind == ".parquet":
                yield ParquetTable(path, raw, task)
                return
            delimiter = _DELIMITED.get(kind)
            file, notes = open_text(path, raw, layout.encoding, may_be_western=delimiter is not None)
            lines = Lines(file, raw, task)
            if not lines.ahead(1):
                raise SlmbenchError(f"{path} is empty")
            table: Table
            if delimiter is not None:
                table = DelimitedTable(path, lines, delimiter, layout, known, bad_rows)
            else:
                table = json_table(path, lines, kind != ".json", bad_rows)
            table.notes[:0] = notes
            yield table
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SlmbenchError(f"{path} is damaged: it cannot be decompressed ({error})") from None
    except OSError as error:
        raise SlmbenchError(f"{path} cannot be read ({error.strerror or error})") from None


class ParquetTable(Table):
    """A Parquet file, of which only the columns asked for are read."""

    def __init__(self, path: Path, raw: IO[bytes], task: Task) -> None:
        require_extra("pyarrow", "parquet", "reading Parquet files")
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
        schema = self._file.schema_arrow
        super().__init__(schema.names)
        self.class_names = _class_names(schema.metadata or {})

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns."""
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


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Return the names of whole-number labels that the library ``datasets`` writes into a file's schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {column: tuple(feature["names"]) for column, feature in features.items() if _is_class_label(feature)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _is_class_label(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and bool(feature.get("names"))
