"""The system's cache of files: a start from a cold cache reads them from the disk, as the first after a boot does."""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import suppress
from pathlib import Path


def drop_from_cache(folder: Path) -> str | None:
    """Tell the system to drop the files of a folder from its cache, and look whether it did.

    ``posix_fadvise`` with ``POSIX_FADV_DONTNEED``, after what is not yet on the disk was written there. It needs no
    privilege, and drops nothing that another process has mapped.

    Args:
        folder: The folder, or one file; folders in it count too.

    Returns:
        Why the files are still cached, or may be; ``None`` where they were dropped.
    """
    if not hasattr(os, "posix_fadvise"):
        return "this system has no way to drop files from its cache"
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    kept = []
    for path in files:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            return f"{path.name} cannot be opened ({error.strerror})"
        try:
            with suppress(OSError):  # a read-only file system has nothing to write
                os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            if _is_cached(descriptor):
                kept.append(path.name)
        except OSError as error:
            return f"{path.name} cannot be dropped from the cache ({error.strerror})"
        finally:
            os.close(descriptor)
    if kept:
        return f"{kept[0]} stayed in the cache: another process uses it, or it lies in memory"
    return None


def _is_cached(descriptor: int) -> bool:
    """Tell whether any of a file is in memory (``mincore``, which reads nothing); true where nothing is known."""
    size = os.fstat(descriptor).st_size
    if not size:
        return False
    pages = -(-size // mmap.PAGESIZE)
    resident = (ctypes.c_ubyte * pages)()
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        try:
            failed = ctypes.CDLL(None, use_errno=True).mincore(
                ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), resident
            )
        finally:
            del first
    return bool(failed) or any(page & 1 for page in resident)
