"""Tables in Parquet and Arrow files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import IO, Any

from slmbench.common.errors import SlmbenchError, first_line, require_extra
from slmbench.common.progress import Task
from slmbench.corpora.tables import Table

#: The first bytes of a Parquet file, and of an Arrow file that is no stream (Feather's second version, too).
PARQUET, ARROW_FILE = b"PAR1", b"ARROW1"
_BATCH = 4096


class ArrowTable(Table):
    """A Parquet file, of which only the columns asked for are read, or a file or stream of Arrow batches.

    Args:
        path: The file, for messages.
        raw: It, open for reading.
        head: Its first bytes.
        task: Advanced by the bytes that are read.

    Attributes:
        schema: Names and types of its columns, as pyarrow has them.
        rows: Number of rows of a Parquet file, whose end tells it; ``None`` of others.

    Raises:
        SlmbenchError: It is neither.
    """

    def __init__(self, path: PurePath, raw: IO[bytes], head: bytes, task: Task) -> None:
        require_extra("pyarrow", "parquet", "reading Parquet and Arrow files")
        import pyarrow
        import pyarrow.parquet

        self._path = path
        self._raw = raw
        self._task = task
        self._bytes = raw.seek(0, os.SEEK_END)
        raw.seek(0)
        self._damaged = (pyarrow.ArrowException, OSError)
        self._is_parquet = head.startswith(PARQUET) or path.suffix.lower() == ".parquet"
        self._file: Any
        try:
            if self._is_parquet:
                self._file = pyarrow.parquet.ParquetFile(raw)
                schema = self._file.schema_arrow
            else:
                is_file = head.startswith(ARROW_FILE)
                self._file = pyarrow.ipc.open_file(raw) if is_file else pyarrow.ipc.open_stream(raw)
                schema = self._file.schema
        except self._damaged as error:
            kind = "a Parquet" if self._is_parquet else "an Arrow"
            raise SlmbenchError(f"{path} is not {kind} file ({first_line(error)})") from None
        self.schema = schema
        self.rows: int | None = self._file.metadata.num_rows if self._is_parquet else None
        super().__init__(schema.names)
        self._names = schema.names
        self.class_names = _class_names(schema.metadata or {})

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns; bytes as text."""
        return self.cells_after(columns, 0)

    def cells_after(self, columns: Sequence[str], skipped: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number and values after so many rows; of a Parquet file, groups of rows before are not read."""
        number = skipped
        try:
            for lists, share in self._batches([self.columns.index(name) for name in columns], skipped):
                for values in zip(*lists, strict=True):
                    number += 1
                    yield number, values
                self._task.advance(self._bytes * share)
        except (*self._damaged, ValueError, OverflowError) as error:  # dates that Python does not have, too
            raise SlmbenchError(f"{self._path} cannot be read ({first_line(error)})") from None

    def _batches(self, places: Sequence[int], skipped: int) -> Iterator[tuple[list[list[Any]], float]]:
        """Yield the values of columns without the first rows, and what share of the file they are."""
        if self._is_parquet:
            groups, skipped = self._groups_after(skipped)
            rows = max(self._file.metadata.num_rows, 1)
            names = None if self.repeated else [self._names[place] for place in places]
            for batch in self._file.iter_batches(columns=names, batch_size=_BATCH, row_groups=groups):
                found = places if names is None else [batch.schema.names.index(name) for name in names]
                cut = min(skipped, batch.num_rows)
                skipped -= cut
                left = batch.slice(cut)
                yield [_values(left.column(place)) for place in found], batch.num_rows / rows
        else:
            count = getattr(self._file, "num_record_batches", None)
            batches = self._file if count is None else (self._file.get_batch(place) for place in range(count))
            before = self._raw.tell()
            for batch in batches:
                after = self._raw.tell()
                cut = min(skipped, batch.num_rows)
                skipped -= cut
                left = batch.slice(cut)
                yield [_values(left.column(place)) for place in places], max(0, after - before) / self._bytes
                before = after

    def _groups_after(self, skipped: int) -> tuple[list[int] | None, int]:
        """Return the groups that are not wholly skipped (``None``: all), and how many rows of the first are."""
        if not skipped:
            return None, 0
        metadata = self._file.metadata
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if rows > skipped:
                return list(range(group, metadata.num_row_groups)), skipped
            skipped -= rows
        return [], 0


def _values(column: Any) -> list[Any]:
    """Return the values of a column; of bytes, as files without a type for texts have them, the text in UTF-8."""
    values = column.to_pylist()
    if "binary" not in str(column.type):
        return values
    return [value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in values]


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Return the names of whole-number labels that the library ``datasets`` writes into a file's schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {column: tuple(feature["names"]) for column, feature in features.items() if _is_class_label(feature)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _is_class_label(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and bool(feature.get("names"))
