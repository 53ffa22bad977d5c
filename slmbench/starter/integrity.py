"""Whether a fetched item still is what was fetched: each file is hashed once, and again when it has changed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from slmbench.common.files import sha256_of, write_atomically
from slmbench.common.full_disk import DiskFullError
from slmbench.common.places import home
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_json
from slmbench.starter.items import Item, find_item, is_fetched, item_path


def is_sound(name: str, *, again: bool = False) -> bool:
    """Say whether an item is in the cache and each of its files has the SHA-256 that it must have.

    What was hashed is remembered by size, time of change and inode, so that a use costs a look at each file.

    Args:
        name: The item.
        again: Hash every file, also those that have not changed since: a disk may have.

    Raises:
        UsageError: There is no such item.
    """
    if not is_fetched(name):
        return False
    item, folder = find_item(name), item_path(name)
    seen = {file.name: _state(folder / file.name) for file in item.files}
    if not again and _remembered(item) == seen:
        return True
    if any(sha256_of(folder / file.name) != file.sha256 for file in item.files):
        return False
    with suppress(OSError, DiskFullError):  # a cache that is only read
        write_atomically(_memory(item), json.dumps(seen) + "\n")
    return True


def _state(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _memory(item: Item) -> Path:
    return home() / "verified" / f"{item.folder}.json"


def _remembered(item: Item) -> object:
    with suppress(OSError, ValueError):
        return read_json(_memory(item), MAX_RECORD_BYTES)
    return None
