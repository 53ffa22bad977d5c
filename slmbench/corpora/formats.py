"""Which files are tables of reviews, and how each is opened."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora.delimited import DelimitedTable
from slmbench.corpora.json_tables import json_array_table, json_lines_table
from slmbench.corpora.lines import Lines
from slmbench.corpora.parquet import ParquetTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slmbench.common.progress import Task
    from slmbench.corpora.rows import BadRows
    from slmbench.corpora.tables import Table

_DELIMITED = {".csv": ",", ".tsv": "\t"}
FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


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
    try:
        with path.open("rb") as raw:
            if kind == ".parquet":
                yield ParquetTable(path, raw, task)
                return
            compressed = path.suffix.lower() == ".gz"
            with cast("IO[bytes]", gzip.open(raw)) if compressed else raw as file:
                lines = Lines(file, raw, task)
                lines.check_start(path)
                if kind in _DELIMITED:
                    yield DelimitedTable(path, lines, _DELIMITED[kind], bad_rows)
                elif kind == ".json" and lines.starts_with(b"["):
                    yield json_array_table(path, lines.rest(), bad_rows)
                else:
                    yield json_lines_table(lines, bad_rows)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SlmbenchError(f"{path} is damaged: it cannot be decompressed ({error})") from None
    except OSError as error:
        raise SlmbenchError(f"{path} cannot be read ({error.strerror or error})") from None
