"""Which files are tables of reviews, and how each is opened."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import LFS_ADVICE, LFS_POINTER
from slmbench.common.progress import Task
from slmbench.corpora.arrow_tables import ARROW_FILE, PARQUET, ArrowTable
from slmbench.corpora.delimited import DelimitedTable
from slmbench.corpora.encoding import COMPRESSED, open_text
from slmbench.corpora.json_tables import json_table
from slmbench.corpora.lines import Lines
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import Table, TableFormat

_DELIMITED = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_ARROW = (".parquet", ".arrow", ".feather")
FORMATS = (*_DELIMITED, ".jsonl", ".ndjson", ".json", *_ARROW)
#: What files that are no tables begin with, and what to do with them.
_OTHERS = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive: save the sheet as CSV, or unpack it",
    bytes.fromhex("d0cf11e0a1b11ae1"): "an old Excel or Office file: save the sheet as CSV",
    bytes.fromhex("28b52ffd"): "compressed with Zstandard: decompress it first (zstd -d)",
    b"%PDF": "a PDF: its reviews have to be in a table",
    LFS_POINTER: LFS_ADVICE,
    b"<!DOCTYPE": "a page in HTML and not the data: download the file itself",
    b"<!doctype": "a page in HTML and not the data: download the file itself",
    b"<html": "a page in HTML and not the data: download the file itself",
    b"SQLite format 3": "an SQLite database: export the table as CSV",
    b"ORC": "an ORC file: save it as Parquet or CSV",
    b"Obj\x01": "an Avro file: save it as Parquet or CSV",
}
#: Encodings in which every character takes four bytes are not read; their marks.
_UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")


def format_of(path: PurePath) -> str:
    """Return the suffix that says how to read a file, that of a compression left aside; empty when it has none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


@contextmanager
def open_table(
    path: Path, layout: TableFormat, known: Collection[str], bad_rows: BadRows, task: Task
) -> Iterator[Table]:
    """Open a local file of reviews.

    Args:
        path: A CSV, TSV, JSON Lines, JSON, Parquet or Arrow file; those of text may be compressed.
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
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the file with the reviews")
    try:
        with path.open("rb") as raw, table_in(path, raw, layout, known, bad_rows, task) as table:
            yield table
    except OSError as error:
        raise SlmbenchError(f"{path} cannot be read ({error.strerror or error})") from None


@contextmanager
def table_in(
    path: PurePath, raw: IO[bytes], layout: TableFormat, known: Collection[str], bad_rows: BadRows, task: Task
) -> Iterator[Table]:
    """Open the table in a file that is open already, wherever it comes from.

    Args:
        path: What it is called: its suffixes tell the format, and messages name it.
        raw: It, open for reading, with a position that can be changed.
        layout: See :func:`open_table`.
        known: See :func:`open_table`.
        bad_rows: See :func:`open_table`.
        task: See :func:`open_table`.

    Yields:
        The table.

    Raises:
        UsageError: It is of no supported format, or the layout is none.
        SlmbenchError: It is empty, or damaged.
    """
    kind = format_of(path)
    try:
        head = checked_head(path, raw)
        if kind not in FORMATS:
            known = f"{', '.join(FORMATS)}, also with {', '.join(COMPRESSED)}"
            raise UsageError(
                f"{path} is in a format that slmbench does not read (it reads {known}): convert it, or give it"
                " another suffix"
            )
        if kind in _ARROW or head.startswith((PARQUET, ARROW_FILE)):
            yield ArrowTable(path, raw, head, task)
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
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise SlmbenchError(f"{path} is damaged: it cannot be decompressed ({error})") from None


def checked_head(path: PurePath, raw: IO[bytes]) -> bytes:
    """Return the first bytes of a file, which stays at its beginning.

    Raises:
        SlmbenchError: They are those of no table.
    """
    head = raw.read(32)
    raw.seek(0)
    for begin, what in _OTHERS.items():
        if head.startswith(begin):
            raise SlmbenchError(f"{path} is {what}")
    if head.startswith(_UTF_32):
        raise SlmbenchError(f"{path} is in UTF-32: save it as UTF-8")
    return head
