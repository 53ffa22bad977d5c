"""Every kind of corpus, those of the package index among them, and which of them a name belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from slmbench import starter
from slmbench.common.errors import UsageError
from slmbench.common.registry import Registry
from slmbench.common.suggestions import did_you_mean
from slmbench.corpora.columns import Wanted
from slmbench.corpora.formats import FORMATS, format_of
from slmbench.corpora.hub import HubDatasets, SavedDatasets
from slmbench.corpora.local_files import LocalFiles, open_file
from slmbench.corpora.sources import CorpusSource, Opening, OpenPart
from slmbench.corpora.tables import Table
from slmbench.starter.items import ReviewTable


class StarterCorpus(CorpusSource):
    """One starter item that is a corpus.

    Args:
        name: Of the item.
    """

    fixed_columns = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.help = starter.find_item(name).title

    def is_available(self, corpus: str) -> bool:
        """Say whether it has been fetched."""
        return starter.is_fetched(self.name)

    def description(self, corpus: str) -> str:
        """Return the package it comes in, and the paper it was published with."""
        return starter.find_item(self.name).source

    def notes(self, corpus: str, *, for_test: bool) -> list[str]:
        """Return which reviews these are."""
        held_out = "" if for_test else "; test rows are held out from them"
        return [f"{self._layout().rows}{held_out}: not the published test set"]

    def parts(self, corpus: str, opening: Opening) -> Iterator[OpenPart]:
        """Open the table, fetching the item when it is missing; its columns are ``text`` and ``label``."""
        layout = self._layout()
        path = starter.ensure(self.name, opening.progress) / layout.file
        bad_rows = opening.bad_rows(self.name)
        with open_file(path, Wanted().layout, bad_rows, opening.progress, self.name) as table:
            yield OpenPart(self.name, _ItemTable(table, layout), bad_rows)

    def _layout(self) -> ReviewTable:
        table = starter.find_item(self.name).table
        if table is None:
            raise ValueError(f"starter item '{self.name}' is not a corpus")
        return table


class _ItemTable(Table):
    """The rows of one of the corpora that share a file, labels as the whole numbers they are."""

    def __init__(self, table: Table, layout: ReviewTable) -> None:
        super().__init__(("text", "label"))
        self.class_names = {"label": layout.label_names}
        self._table = table
        self._layout = layout

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number (from 1) and the values of some columns."""
        layout = self._layout
        own = list(layout.where.values())
        read = self._table.cells((layout.text_column, layout.label_column, *layout.where))
        for number, (text, label, *others) in read:
            if others == own:
                values = {"text": text, "label": int(label)}
                yield number, [values[column] for column in columns]


_HUB = HubDatasets()
_STARTER = [StarterCorpus(item.name) for item in starter.catalogue().values() if item.kind == "corpus"]
#: By name; installed packages add to them.
CORPORA: Registry[CorpusSource] = Registry(
    "corpus", "slmbench.corpora", (*_STARTER, SavedDatasets(), LocalFiles(), _HUB)
)
_OTHER_FILES = {".gz", ".txt", ".zip", ".xlsx", ".xls"}


def find_source(corpus: str) -> CorpusSource:
    """Return the kind of a corpus: the one of its name, else the first that knows it, else the hub's.

    Args:
        corpus: A name, path or pattern.

    Raises:
        SlmbenchError: A package that adds kinds of corpora cannot be imported.
    """
    if corpus in CORPORA and CORPORA[corpus].matches(corpus):
        return CORPORA[corpus]
    return next((source for source in CORPORA if source is not _HUB and source.matches(corpus)), _HUB)


def check_corpus(corpus: str) -> CorpusSource:
    """Return the kind of a corpus, after telling a hub dataset's name from a missing file or a misspelt name.

    Raises:
        UsageError: There is no such corpus.
        SlmbenchError: A package that adds kinds of corpora cannot be imported.
    """
    source = find_source(corpus)
    if source is not _HUB:
        return source
    path = Path(corpus)
    local = corpus.startswith((".", "~")) or path.is_absolute() or "\\" in corpus or corpus.count("/") > 1
    if local or format_of(path) in FORMATS or path.suffix.lower() in _OTHER_FILES:
        raise UsageError(f"there is no file {corpus}")
    named = [name for name in CORPORA.names if CORPORA[name].matches(name) and CORPORA[name] is not _HUB]
    if corpus in starter.catalogue():
        raise UsageError(f"'{corpus}' is a model, not a corpus; corpora are: {', '.join(named)}")
    hint = did_you_mean(corpus, named)
    if hint and "/" not in corpus:
        raise UsageError(f"there is no corpus '{corpus}'{hint}")
    return source


def is_available(corpus: str) -> bool:
    """Say whether a corpus can be read without downloading anything."""
    return find_source(corpus).is_available(corpus)


def location(corpus: str) -> str:
    """Return the name by which a corpus is found from any working folder: a local one's absolute path."""
    return find_source(corpus).location(corpus)
