"""Disks that are full: recognised in what any library raises, and explained in one sentence."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import home

#: Part of the name of a folder that is being built and takes its place when it is complete.
BUILDING = ".building-"
#: Error numbers of a full disk and of a quota that is used up.
_ERRNOS = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
#: What libraries say that raise no ``OSError`` with a number: safetensors and tokenizers (Rust), pyarrow and child
#: processes repeat the system's words; numpy counts what it wrote; torch's zip writer and onnxruntime
#: say that writing failed.
_SAYINGS = re.compile(
    r"No space left on device|os error 28\b|Disk quota exceeded|\d+ requested and \d+ written"
    r"|PytorchStreamWriter failed|basic_ios::clear|unexpected pos \d+ vs \d+|Protobuf serialization failed"
)
#: Bytes free on a disk on which a writer has just given up.
_NOTHING = 1 << 16


class DiskFullError(SlmbenchError):
    """There is no space left where something was to be written; other work would fail as well."""


def full_disk(error: BaseException, *folders: Path) -> DiskFullError | None:
    """Return the explanation of an error that a full disk caused, however many other errors followed from it.

    Args:
        error: Any error.
        *folders: Where files were written; the folder of temporary files and the cache are checked as well.

    Returns:
        The error to raise instead: its sentence names the folder with the least space. ``None`` for other errors.
    """
    chain = list(_chain(error))
    if explained := next((one for one in chain if isinstance(one, DiskFullError)), None):
        return explained
    if not any(_says_full(one) for one in chain) and not (_is_strange(chain[-1]) and any(map(_is_full, folders))):
        return None
    # When a file was copied, the second name is that of the file being written.
    names = [one.filename2 or one.filename for one in chain if isinstance(one, OSError)]
    named = [Path(name) for name in names if isinstance(name, str)]
    places = [place for place in map(_existing, named[:1] or [*folders, *_always()]) if place is not None]
    if not places:
        return DiskFullError("no space left on the disk: make room and run the same command again")
    free, place = min(((shutil.disk_usage(place).free, place) for place in places), key=lambda pair: pair[0])
    return DiskFullError(
        f"no space left in {place} ({free / 1e6:,.0f} MB free): make room there and run the same command again"
    )


def check_space(folder: Path, needed: float, what: str) -> None:
    """Check that there is space before calling a writer that does not notice a full disk.

    Args:
        folder: Where it is written.
        needed: Bytes.
        what: What they are needed for, as the end of a sentence.

    Raises:
        DiskFullError: There is less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFullError(
            f"no space left in {_existing(folder)} for {what} ({free / 1e6:,.0f} of {needed / 1e6:,.0f} MB free):"
            " make room there and run the same command again"
        )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors it was raised from, also those that ``from None`` hides."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _ERRNOS
    return _SAYINGS.search(str(error)) is not None


def _is_strange(error: BaseException) -> bool:
    """Say whether an error is a library's: a writer that checks nothing (onnxruntime) lets a later reader fail."""
    return isinstance(error, Exception) and not isinstance(error, SlmbenchError)


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < _NOTHING if folder.is_dir() else False


def _always() -> Iterator[Path]:
    yield home()
    try:
        yield Path(tempfile.gettempdir())
    except FileNotFoundError:  # no folder for temporary files has space for one
        return


def _existing(path: Path) -> Path | None:
    """Return the nearest folder that is there; of one that is being built, where it is built."""
    found = next((folder.resolve() for folder in (path, *path.parents) if folder.is_dir()), None)
    if found is None:
        return None
    return next((folder.parent for folder in (*reversed(found.parents), found) if BUILDING in folder.name), found)
