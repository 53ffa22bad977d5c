"""One process at a time makes a folder, and tidies what killed ones left of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from slmbench.common.full_disk import BUILDING
from slmbench.common.progress import SILENT, Progress

#: Part of the name of a folder that holds what a new one replaces, until it has its place.
OLD = ".old-"


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
    from filelock import FileLock, Timeout

    place = place.absolute()
    made = [folder for folder in place.parents if not folder.exists()]
    lock = FileLock(place.parent / f".{place.name}.lock", is_singleton=True)
    try:
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                progress.say(f"waiting for another slmbench that is making {place}")
                lock.acquire()
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


def _tidy(place: Path) -> None:
    """Undo what killed processes began; the lock says that none is at it."""
    for replaced in place.parent.glob(f".{escape(place.name)}{OLD}*"):
        if not place.exists() and (replaced / "old").is_dir():
            (replaced / "old").replace(place)
        shutil.rmtree(replaced, ignore_errors=True)
    for begun in place.parent.glob(f".{escape(place.name)}{BUILDING}*"):
        shutil.rmtree(begun, ignore_errors=True)
