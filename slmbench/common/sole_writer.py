"""One process at a time makes a folder, and tidies what killed ones left of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.common.full_disk import BUILDING
from slmbench.common.progress import SILENT, Progress

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: Part of the name of a folder that holds what a new one replaces, until it has its place.
OLD = ".old-"
#: Pauses while a lock is waited for, and how often in a row its file may be missing: that was released just then.
_PAUSE_S, _TRIES = 0.05, 10


@contextmanager
def sole_writer(place: Path, progress: Progress = SILENT) -> Iterator[None]:
    """Within the block, no other process builds a folder; one that does is waited for.

    The system releases the lock, a hidden file beside the folder, when a process dies. What such a process left is
    tidied first: folders that were being built are removed, and one that was moved away to be replaced is put back.
    Where no lock can be made, as in a folder that is read-only, nothing is waited for and nothing tidied. Missing
    folders above are made, and removed at the end if they are empty. A thread may claim a folder several times.

    Args:
        place: The folder to make or replace.
        progress: Told when another process is waited for.

    Yields:
        Nothing.
    """
    from filelock import FileLock

    place = place.absolute()
    made = [folder for folder in place.parents if not folder.exists()]
    lock = FileLock(place.parent / f".{place.name}.lock", is_singleton=True)
    try:
        with suppress(OSError):
            _wait_for(lock, place, progress)
        if lock.is_locked and lock.lock_counter == 1:
            _tidy(place)
        yield
    finally:
        if lock.is_locked:
            if lock.lock_counter == 1:
                with suppress(OSError):  # Windows removes it by itself
                    Path(lock.lock_file).unlink()
            lock.release()
        for folder in made:
            with suppress(OSError):  # something stands in it
                folder.rmdir()


def _wait_for(lock: BaseFileLock, place: Path, progress: Progress) -> None:
    """Take a lock, or nothing where no file can be made though none is there, as below /proc.

    filelock's own waiting never ends there, nor where the folder was removed by the process that was waited for.

    Raises:
        OSError: No lock can be made.
    """
    from filelock import Timeout

    is_told, without_file = False, 0
    while without_file < _TRIES:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            is_held = Path(lock.lock_file).exists()
        else:
            return
        without_file = 0 if is_held else without_file + 1
        if is_held and not is_told:
            progress.say(f"waiting for another slmbench that is making {place}")
            is_told = True
        time.sleep(_PAUSE_S)


def _tidy(place: Path) -> None:
    """Undo what killed processes began; the lock says that none is at it."""
    for replaced in place.parent.glob(f".{escape(place.name)}{OLD}*"):
        if not place.exists() and (replaced / "old").is_dir():
            (replaced / "old").replace(place)
        shutil.rmtree(replaced, ignore_errors=True)
    for begun in place.parent.glob(f".{escape(place.name)}{BUILDING}*"):
        shutil.rmtree(begun, ignore_errors=True)
