"""Many reviews in little memory: arrays of what decides about each, and texts for as many as fit."""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from slmbench.corpora.rows import Review

#: Texts are kept while a corpus is read up to about so many bytes; of a larger one those drawn are read again.
MAX_KEPT_BYTES = 40_000_000
#: What a Python string takes beside its characters.
_OVERHEAD = 60
#: Three slices of 8 bytes are kept of a text's SHA-256.
_KEYS = struct.Struct(">3Q")


class Origin(NamedTuple):
    """The table that rows come from.

    Attributes:
        corpus: Name of its corpus.
        part: Its place among the parts of the corpus.
        file: Its file's name where the corpus has several, else empty.
        columns: The columns of the text.
    """

    corpus: str
    part: int
    file: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class RowSet:
    """Reviews in an order.

    Attributes:
        keys: Three slices of each text's hash, shape (rows, 3), uint64; equal keys mean equal texts.
        labels: Places in ``label_values``, int32.
        label_values: Label names.
        numbers: Review numbers in their table, int64.
        tables: Places in ``origins``, int32.
        origins: The tables.
        texts: Their texts as an object array, or ``None`` when they were too many to keep.
        marks: Hashes of their groups, or their times, uint64, where those decide about the split.
    """

    keys: np.ndarray
    labels: np.ndarray
    label_values: list[str]
    numbers: np.ndarray
    tables: np.ndarray
    origins: list[Origin]
    texts: np.ndarray | None
    marks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, places: np.ndarray) -> RowSet:
        """Return some of the rows: places, or a mask of booleans."""
        return replace(
            self,
            keys=self.keys[places],
            labels=self.labels[places],
            numbers=self.numbers[places],
            tables=self.tables[places],
            texts=None if self.texts is None else self.texts[places],
            marks=None if self.marks is None else self.marks[places],
        )

    def joined(self, other: RowSet) -> RowSet:
        """Return the rows of both, without their marks."""
        values = list(dict.fromkeys([*self.label_values, *other.label_values]))
        place = {value: number for number, value in enumerate(values)}
        moved = np.array([place[value] for value in other.label_values], dtype=np.int32)
        both = self.texts is not None and other.texts is not None
        return RowSet(
            keys=np.concatenate([self.keys, other.keys]),
            labels=np.concatenate([self.labels, moved[other.labels]]),
            label_values=values,
            numbers=np.concatenate([self.numbers, other.numbers]),
            tables=np.concatenate([self.tables, other.tables + np.int32(len(self.origins))]),
            origins=[*self.origins, *other.origins],
            texts=np.concatenate([self.texts, other.texts]) if both else None,
        )

    def relabelled(self, meaning: Callable[[str], str]) -> RowSet:
        """Return the rows with other labels."""
        meant = [meaning(value) for value in self.label_values]
        values = list(dict.fromkeys(meant))
        place = np.array([values.index(value) for value in meant], dtype=np.int32)
        return replace(self, labels=place[self.labels], label_values=values)

    def label_counts(self) -> Counter[str]:
        """Return how many rows have each label; of labels that occur."""
        counts = np.bincount(self.labels, minlength=len(self.label_values))
        return Counter({value: int(n) for value, n in zip(self.label_values, counts, strict=True) if n})

    def label_ids(self, names: Sequence[str]) -> list[int]:
        """Return each row's label as its place among names."""
        place = {name: number for number, name in enumerate(names)}
        return [place[self.label_values[label]] for label in self.labels]

    def text_ids(self) -> list[str]:
        """Return 16 hexadecimal digits of each text's hash."""
        return [f"{key:016x}" for key in self.keys[:, 0].tolist()]

    def row_ids(self) -> list[str]:
        """Return 16 hexadecimal digits of each text's hash, a colon, the label."""
        pairs = zip(self.text_ids(), self.labels.tolist(), strict=True)
        return [f"{text_id}:{self.label_values[label]}" for text_id, label in pairs]

    def place_of(self, row: int) -> str:
        """Return a row's number, after its file's name where the corpus has several."""
        file = self.origins[self.tables[row]].file
        return f"{file}:{self.numbers[row]}" if file else str(self.numbers[row])

    def hashes(self) -> np.ndarray:
        """Return the texts' hashes as one value each, which can be sorted and compared."""
        return np.ascontiguousarray(self.keys).view(np.dtype((np.void, self.keys.itemsize * 3))).ravel()

    def is_in(self, other: RowSet) -> np.ndarray:
        """Say of each row whether another set has its text."""
        return np.isin(self.hashes(), other.hashes())


class RowCollector:
    """Gathers rows that are read one at a time.

    Args:
        keep_all: Keep every text, however many there are.
    """

    def __init__(self, *, keep_all: bool = False) -> None:
        self._keep_all = keep_all
        self._keys = array("Q")
        self._labels = array("i")
        self._label_places: dict[str, int] = {}
        self._numbers = array("q")
        self._tables = array("i")
        self._origins: list[Origin] = []
        self._marks = array("Q")
        self._texts: list[str] | None = []
        self._bytes = 0

    def begin(self, origin: Origin) -> None:
        """Say which table the rows that follow come from."""
        self._origins.append(origin)

    def add(self, row: Review) -> None:
        """Add a row of the table that was begun last."""
        self._keys.extend(_KEYS.unpack_from(row.digest))
        self._labels.append(self._label_places.setdefault(row.label, len(self._label_places)))
        self._numbers.append(row.number)
        self._tables.append(len(self._origins) - 1)
        if row.mark is not None:
            self._marks.append(row.mark)
        self._bytes += len(row.text) + _OVERHEAD
        if self._texts is not None:
            self._texts.append(row.text)
            if self._bytes > MAX_KEPT_BYTES and not self._keep_all:
                self._texts = None

    def rows(self) -> RowSet:
        """Return what was gathered."""
        texts = None
        if self._texts is not None:
            texts = np.empty(len(self._texts), dtype=object)
            texts[:] = self._texts
        return RowSet(
            keys=np.frombuffer(self._keys, dtype=np.uint64).reshape(-1, 3),
            labels=np.frombuffer(self._labels, dtype=np.int32),
            label_values=list(self._label_places),
            numbers=np.frombuffer(self._numbers, dtype=np.int64),
            tables=np.frombuffer(self._tables, dtype=np.int32),
            origins=self._origins,
            texts=texts,
            marks=np.frombuffer(self._marks, dtype=np.uint64) if self._marks else None,
        )


def keys_of(digest: bytes) -> tuple[int, int, int]:
    """Return the three slices of a text's hash that a row set keeps."""
    side, draw, validation = _KEYS.unpack_from(digest)
    return side, draw, validation
