"""Where bundles are: folders that are one, and folders that hold some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The folder that ``slmbench export`` puts them into.
BUNDLES = Path("exported")


def find_bundles(paths: Sequence[Path]) -> list[Path]:
    """Return bundle folders: those named, and those inside a folder named.

    Args:
        paths: Bundles, or folders of bundles; ``exported/`` when there are none.

    Raises:
        UsageError: A folder is not a bundle and holds none.
    """
    folders: list[Path] = []
    for path in paths or [BUNDLES]:
        if (path / "bundle.json").is_file():
            folders.append(path)
            continue
        if not path.is_dir():
            raise UsageError(f"there is no bundle folder {path}: make one with `slmbench export`")
        inside = sorted(found.parent for found in path.glob("*/bundle.json") if not found.parent.name.startswith("."))
        if not inside:
            raise UsageError(f"{path} holds no bundle: make one with `slmbench export`")
        folders += inside
    return folders
