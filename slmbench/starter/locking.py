"""One process at a time in the cache."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slmbench.common.progress import Progress

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def exclusive(path: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it; the system lets go of it when the process dies.

    Args:
        path: The lock file, made when missing and left there.
        progress: Told once when there is somebody to wait for.

    Yields:
        Nothing; the lock is held until the block ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        waiting = False
        while not _try_lock(file):
            if not waiting:
                progress.say("waiting for another slmbench that is fetching")
                waiting = True
            time.sleep(0.2)
        yield
