"""Tables in Parquet and Arrow files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from slmbench.common.errors import SlmbenchError, require_extra
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

    Raises:
        SlmbenchError: It is neither.
    """

    def __init__(self, path: Path, raw: IO[bytes], head: bytes, task: Task) -> None:
        require_extra("pyarrow", "parquet", "reading Parquet and Arrow files")
        import pyarrow
        import pyarrow.parquet

        self._path = path
        self._raw = raw
        self._task = task
        self._bytes = path.stat().st_size
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
            raise SlmbenchError(f"{path} is not {kind} file ({error})") from None
        super().__init__(schema.names)
        self._names = schema.names
        self.class_names = _class_names(schema.metadata or {})

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns; bytes as text."""
        number = 0
        try:
            for lists, share in self._batches([self.columns.index(name) for name in columns]):
                for values in zip(*lists, strict=True):
                    number += 1
                    yield number, [_decoded(value) for value in values]
                self._task.advance(self._bytes * share)
        except self._damaged as error:
            raise SlmbenchError(f"{self._path} is damaged ({error})") from None

    def _batches(self, places: Sequence[int]) -> Iterator[tuple[list[list[Any]], float]]:
        """Yield the values of columns, and what share of the file they are."""
        if self._is_parquet:
            rows = max(self._file.metadata.num_rows, 1)
            names = None if self.repeated else [self._names[place] for place in places]
            for batch in self._file.iter_batches(columns=names, batch_size=_BATCH):
                found = places if names is None else [batch.schema.names.index(name) for name in names]
                yield [batch.column(place).to_pylist() for place in found], batch.num_rows / rows
        else:
            count = getattr(self._file, "num_record_batches", None)
            batches = self._file if count is None else (self._file.get_batch(place) for place in range(count))
            before = self._raw.tell()
            for batch in batches:
                after = self._raw.tell()
                yield [batch.column(place).to_pylist() for place in places], max(0, after - before) / self._bytes
                before = after


def _decoded(value: Any) -> Any:
    """Return a value; of bytes, as files without a type for texts have them, the text in UTF-8."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Return the names of whole-number labels that the library ``datasets`` writes into a file's schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {column: tuple(feature["names"]) for column, feature in features.items() if _is_class_label(feature)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _is_class_label(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and bool(feature.get("names"))
