"""What a table of reviews is, whatever file it comes from: rows with named columns, read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from slmbench.corpora.rows import BadRows

#: Rows of objects that are looked at to find the columns: a label may be in few of them.
_ROWS_FOR_COLUMNS = 2000


@dataclass(frozen=True)
class TableFormat:
    """How text files are laid out where the caller gave it; ``None`` means: detect it.

    Attributes:
        delimiter: The character between the fields of a CSV or TSV file.
        encoding: Python's name of the encoding, such as ``cp1252``.
        header: Whether the first line of a CSV or TSV file names the columns.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None

    def given(self) -> dict[str, Any]:
        """Return what the caller has said, by attribute."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Table(ABC):
    """Rows with named columns. A table is read once.

    Attributes:
        columns: Their names.
        class_names: Names of the labels 0, 1, … by column, where the file has them.
        guesses: Column by role (``text``, ``label``), where the columns have no names and the values tell them apart.
        notes: What was found out about the file and is not the usual, for people.
        repeated: Names that several columns of the file have; all but the first get a number in :attr:`columns`.
        advice: The end of a message that no column fits: what may be amiss with how the file is read.
    """

    def __init__(self, columns: Iterable[str] = ()) -> None:
        self.repeated: set[str] = set()
        self.advice = ""
        self.columns = self.different(columns)
        self.class_names: dict[str, tuple[str, ...]] = {}
        self.guesses: dict[str, str] = {}
        self.notes: list[str] = []

    def different(self, columns: Iterable[str]) -> list[str]:
        """Return names of columns that are all different: empty ones and repeated ones get a number."""
        found: dict[str, None] = {}
        for place, column in enumerate(columns, start=1):
            name = column or f"column {place}"
            if name in found:
                self.repeated.add(name)
            more = 1
            while name in found:
                name, more = f"{column}.{more}", more + 1
            found[name] = None
        return list(found)

    @abstractmethod
    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns; rows that cannot be read are reported."""


class ObjectTable(Table):
    """Rows that are objects; its columns are the keys of the first 2,000, those of objects inside after a full stop.

    Args:
        rows: Number and object; what is not an object is reported as a bad row.
        bad_rows: Told of them.
    """

    def __init__(self, rows: Iterable[tuple[int, Any]], bad_rows: BadRows) -> None:
        self._bad_rows = bad_rows
        objects = self._objects(rows)
        first = list(islice(objects, _ROWS_FOR_COLUMNS))
        super().__init__(dict.fromkeys(key for _, found in first for key in found if key))
        self._rows = chain(first, objects)

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns."""
        return ((number, [found.get(name) for name in columns]) for number, found in self._rows)

    def _objects(self, rows: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, found in rows:
            if not isinstance(found, dict):
                self._bad_rows.report(number, "it is not a JSON object")
                continue
            try:
                flat = _flat(found)
            except RecursionError:
                self._bad_rows.report(number, "it is nested too deep")
            else:
                yield number, flat


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return an object whose values are no objects: the keys of those come after a full stop."""
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": one for inner, one in _flat(value).items()}
        else:
            flat[key] = value
    return flat
