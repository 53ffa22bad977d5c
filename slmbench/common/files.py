"""Files that are never half there: written beside their place and renamed; their hashes and sizes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.full_disk import BUILDING, full_disk
from slmbench.common.places import named_path
from slmbench.common.sole_writer import OLD, sole_writer

if TYPE_CHECKING:
    import numpy as np

#: How a file begins that Git LFS did not fetch, and what to do with it, after "FILE is ".
LFS_POINTER = b"version https://git-lfs"
LFS_ADVICE = "a pointer of Git LFS and not the file itself: fetch it (git lfs pull)"
#: Part of the name of a file that is being written, before the number of the process that writes it.
WRITING = ".writing-"


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Give the name of a new file beside ``path`` that takes its place when the block ends well.

    A reader sees the old content or the new, never a part. What killed processes left there of the same file is
    removed.

    Args:
        path: The file; its folder is made when missing.

    Yields:
        The file to write, empty, with the suffix of ``path``.

    Raises:
        DiskFullError: There is no space left.
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = Path()
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}{WRITING}{os.getpid()}-", suffix=path.suffix
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes 0600 files; a record is meant to be read like any other file.
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        full = full_disk(error, path.parent)
        if temporary.name:
            temporary.unlink(missing_ok=True)
        if full:
            raise full from error
        raise


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old content or the new, never a part.

    Args:
        path: The file; its folder is made when missing.
        text: The whole content, written as UTF-8.

    Raises:
        SlmbenchError: A name in it is not UTF-8.
        DiskFullError: There is no space left.
        OSError: It cannot be written.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        name = text[max(0, error.start - 40) : error.end + 40].encode(errors="replace").decode()
        raise SlmbenchError(f"{path} cannot be written: {name!r} is not UTF-8: rename that file or folder") from None
    with write_aside(path) as temporary:
        temporary.write_bytes(content)


def _remove_leftovers(path: Path) -> None:
    """Remove files that processes which have ended left half written."""
    before = f".{path.stem}{WRITING}"
    for stale in path.parent.glob(f"{escape(before)}*{escape(path.suffix)}"):
        import psutil

        number = stale.name.removeprefix(before).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            stale.unlink(missing_ok=True)


def check_folder(place: Path) -> None:
    """Check that there is a folder of this name, or can be one.

    Args:
        place: The folder to make or replace.

    Raises:
        UsageError: No folder can have that name, something else stands there, or a link that leads nowhere.
    """
    named_path(place)
    beside = next((folder for folder in place.parents if folder.exists() or folder.is_symlink()), None)
    if beside is not None and not beside.is_dir():
        raise UsageError(f"{beside} is not a folder: name another one for the output")
    if place.is_symlink() and not place.exists():
        raise UsageError(f"{place} is a link that leads nowhere: remove it, or name another folder for the output")
    if place.exists() and not place.is_dir():
        raise UsageError(f"{place} is a file: name a folder for the output")


def check_place(place: Path, marker: str) -> None:
    """Check that an artefact may take a folder's place: nothing else must be lost.

    Args:
        place: The folder to make or replace.
        marker: File that every artefact of the kind has, such as ``run.json``.

    Raises:
        UsageError: See :func:`check_folder`; or the folder holds something of another kind.
    """
    check_folder(place)
    if place.is_dir() and not (place / marker).is_file() and any(place.iterdir()):
        raise UsageError(f"{place} holds other files, which would be lost: name a new folder for the output")


@contextmanager
def build_aside(place: Path) -> Iterator[Path]:
    """Give an empty folder beside ``place`` that takes its place when the block ends well.

    An existing folder is replaced only then; a block that fails leaves it as it was and removes what it built,
    parent folders included. Another process that builds the same place is waited for.

    Args:
        place: The folder to make or replace.

    Yields:
        The folder to build in.

    Raises:
        DiskFullError: There is no space left, there or where libraries keep temporary files.
        OSError: The folder cannot be made.
    """
    with sole_writer(place):
        building: Path | None = None
        try:
            building = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}{BUILDING}"))
            building.chmod(0o755)
            yield building
            _take_place(building, place)
        except BaseException as error:
            full = full_disk(error, place.parent)
            if building:
                shutil.rmtree(building, ignore_errors=True)
            if full:
                raise full from error
            raise


def _take_place(building: Path, place: Path) -> None:
    if not place.exists():
        building.replace(place)
        return
    old = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}{OLD}"))
    try:
        place.replace(old / "old")
        building.replace(place)
    finally:
        if not place.exists():
            (old / "old").replace(place)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder below ``folder``, which is removed; temporary files of libraries go there as well.

    What is being built is on one disk then, and all of it is removed with the folder where a process is killed.

    Args:
        folder: A folder that is being built.

    Raises:
        DiskFullError: There is no space left.
    """
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=folder, ignore_cleanup_errors=True) as scratch:
        before, tempfile.tempdir = tempfile.tempdir, scratch
        try:
            yield Path(scratch)
        except Exception as error:
            if full := full_disk(error, folder):
                raise full from error
            raise
        finally:
            tempfile.tempdir = before


def as_paths(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return one path or several as a list."""
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def read_array(file: Path, rows: int) -> np.ndarray | None:
    """Return a table of numbers that is kept in the cache.

    Args:
        file: A ``.npy`` file.
        rows: How many it has to have.

    Returns:
        The array, shape (rows, columns); ``None`` where there is none that can be used, so that it is made again.
    """
    import numpy as np

    try:
        found = np.load(file, allow_pickle=False) if file.is_file() else None
    except (OSError, ValueError, EOFError):
        return None
    return found if found is not None and found.ndim == 2 and len(found) == rows else None


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
