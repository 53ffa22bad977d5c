"""Files that are never half there: written beside their place and renamed; their hashes and sizes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from slmbench.common.errors import UsageError


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old content or the new, never a part.

    Args:
        path: The file; its folder is made when missing.
        text: The whole content, written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes 0600 files; a record is meant to be read like any other file.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_place(place: Path, marker: str) -> None:
    """Check that an artefact may take a folder's place: nothing else must be lost.

    Args:
        place: The folder to make or replace.
        marker: File that every artefact of the kind has, such as ``run.json``.

    Raises:
        UsageError: A file stands there, or a folder that holds something of another kind.
    """
    if place.exists() and not place.is_dir():
        raise UsageError(f"{place} is a file: name a folder for the output")
    if place.is_dir() and not (place / marker).is_file() and any(place.iterdir()):
        raise UsageError(f"{place} holds other files, which would be lost: name a new folder for the output")


@contextmanager
def build_aside(place: Path) -> Iterator[Path]:
    """Give an empty folder beside ``place`` that takes its place when the block ends well.

    An existing folder is replaced only then; a block that fails leaves it as it was and removes what it built,
    parent folders included.

    Args:
        place: The folder to make or replace.

    Yields:
        The folder to build in.
    """
    made = [folder for folder in place.parents if not folder.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.building-"))
    building.chmod(0o755)
    try:
        yield building
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        for folder in made:
            with suppress(OSError):  # something else has come to stand in it
                folder.rmdir()
        raise
    if place.exists():
        old = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.old-"))
        place.replace(old / "old")
        building.replace(place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        building.replace(place)


def as_paths(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return one path or several as a list."""
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_key(**inputs: Any) -> str:
    """Return the SHA-256 of everything a result depends on.

    Args:
        **inputs: JSON-able values, by name; their order does not matter.

    Returns:
        64 hexadecimal digits.
    """
    canonical = json.dumps(inputs, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
