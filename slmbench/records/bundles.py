"""Where bundles are: folders that are one, and folders that hold some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.errors import UsageError
from slmbench.common.files import find_artefacts
from slmbench.common.places import BUNDLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def find_bundles(paths: Sequence[Path]) -> list[Path]:
    """Return bundle folders: those named, and those inside a folder named.

    Args:
        paths: Bundles, or folders of bundles; ``exported/`` when there are none.

    Raises:
        UsageError: A folder is not a bundle and holds none.
    """
    folders: list[Path] = []
    for path in paths or [BUNDLES]:
        if not path.is_dir():
            raise UsageError(f"there is no bundle folder {path}: make one with `slmbench export`")
        found = find_artefacts(path, "bundle.json")
        if not found:
            raise UsageError(f"{path} holds no bundle: make one with `slmbench export`")
        folders += found
    return folders
