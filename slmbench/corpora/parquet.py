"""Tables in Parquet files."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, require_extra

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from slmbench.common.progress import Task


class ParquetTable:
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
        self.columns = list(self._file.schema_arrow.names)
        self.class_names: dict[str, tuple[str, ...]] = {}
        self.notes: list[str] = []

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
