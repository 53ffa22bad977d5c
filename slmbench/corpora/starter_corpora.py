"""Corpora that come through the package index; which there are is data in ``slmbench/starter/items.toml``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from slmbench import starter
from slmbench.corpora.columns import Wanted
from slmbench.corpora.local_files import open_file
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


#: In the order of the catalogue.
STARTER_CORPORA = tuple(StarterCorpus(item.name) for item in starter.catalogue().values() if item.kind == "corpus")
