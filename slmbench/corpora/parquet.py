"""Tables in Parquet files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from slmbench.common.errors import SlmbenchError, require_extra
from slmbench.common.progress import Task
from slmbench.corpora.tables import Table


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
