"""Folders that shards are written into: on this machine, or in a store that fsspec knows."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError, first_line, require_extra
from slmbench.common.files import WRITING, check_place
from slmbench.common.full_disk import full_disk
from slmbench.common.places import named_path
from slmbench.common.progress import Progress
from slmbench.common.sole_writer import sole_writer
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_bytes

#: Folder of what is being written and of the locks; it is gone when the work is done.
_ASIDE = ".aside"
_FILE_URL = "file://"
_URL = re.compile(r"[a-z][a-z0-9+.-]+://|[a-z][a-z0-9+.-]+::", re.IGNORECASE)


def is_url(location: str) -> bool:
    """Say whether a location is in a store that fsspec opens, such as ``s3://bucket/reviews``."""
    return _URL.match(location) is not None and not location.startswith(_FILE_URL)


def local_path(location: str) -> Path:
    """Return the path of a location that is no URL, or begins with ``file://``.

    Raises:
        UsageError: No file can have that name.
    """
    return named_path(location.removeprefix(_FILE_URL))


def open_store(url: str, purpose: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path in it.

    Args:
        url: Such as ``s3://bucket/reviews/*.parquet``.
        purpose: What needs it, as a gerund phrase.

    Raises:
        UsageError: There is no such protocol.
        SlmbenchError: fsspec, or what it needs for this protocol, is not installed.
    """
    require_extra("fsspec", "remote", purpose)
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise SlmbenchError(f"{url} needs another package: {first_line(error)}") from None
    except ValueError as error:
        raise UsageError(f"{url} cannot be opened: {first_line(error)}") from None


class Store(ABC):
    """A folder of named files, none of which is ever seen half written.

    Attributes:
        location: The folder, for messages and records.
    """

    location: str

    @abstractmethod
    def check_place(self, marker: str) -> None:
        """Check that nothing else is there; see :func:`slmbench.common.files.check_place`."""

    @abstractmethod
    def sizes(self, folder: str) -> dict[str, int]:
        """Return the files directly in a folder below this one, with their bytes."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Return the bytes of a file, ``None`` where there is none."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return the content of a file, ``None`` where there is none."""

    @abstractmethod
    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Give a local file to write, which becomes the named one when the block ends well."""

    @abstractmethod
    def claimed(self, name: str) -> AbstractContextManager[bool]:
        """Give whether no other process works on something; none begins to before the block ends."""

    @abstractmethod
    def alone(self, progress: Progress) -> AbstractContextManager[None]:
        """Within the block no other process plans or ends the work in this folder; one that does is waited for."""

    @abstractmethod
    def tidy(self) -> None:
        """Remove what is only needed while there is work; there is none left."""


class LocalStore(Store):
    """A folder on this machine; what is written is renamed, and locks are the system's, gone with their process."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder.absolute())
        self._folder = folder

    def check_place(self, marker: str) -> None:
        """Check that nothing else is there."""
        if not (self._folder / _ASIDE).is_dir():  # a first run was killed before it wrote its record
            check_place(self._folder, marker)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the files directly in a folder."""
        with suppress(FileNotFoundError), os.scandir(self._folder / folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        return {}

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """Return the content of a file.

        Raises:
            SlmbenchError: It is no regular file, or larger than a record may be.
        """
        try:
            return read_bytes(self._folder / name, MAX_RECORD_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SlmbenchError(f"{self._folder / name} cannot be read ({error.strerror}): remove it") from None

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Give a file beside, which is on the disk before it is renamed."""
        place = self._folder / name
        aside = self._folder / _ASIDE
        aside.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        # Processes in two containers often have one number.
        before = f"{place.stem}{WRITING}{platform.node()}-"
        building = aside / f"{before}{os.getpid()}{place.suffix}"
        try:
            _remove_left(aside, before, place.suffix)
            yield building
            with building.open("rb+") as written:
                os.fsync(written.fileno())
            building.replace(place)
        except BaseException as error:
            full = full_disk(error, self._folder)
            building.unlink(missing_ok=True)
            if full:
                raise full from error
            raise

    @contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Take a lock without waiting."""
        from filelock import FileLock, Timeout

        aside = self._folder / _ASIDE
        aside.mkdir(parents=True, exist_ok=True)
        lock = FileLock(aside / f"{name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        except (NotImplementedError, OSError):  # a file system without locks: as a remote store
            yield True
            return
        try:
            yield True
            # Whoever has opened it already finds, with the lock, that the work is done.
            with suppress(OSError):
                Path(lock.lock_file).unlink()
        finally:
            lock.release()

    def alone(self, progress: Progress) -> AbstractContextManager[None]:
        """Wait for another process that plans."""
        return sole_writer(self._folder, progress)

    def tidy(self) -> None:
        """Remove the folder of locks and of what killed processes left; done shards need neither."""
        aside = self._folder / _ASIDE
        # Another command may just be writing its record.
        for left in aside.glob("part-*"):
            with suppress(OSError):
                left.unlink()
        with suppress(OSError):
            aside.rmdir()


def _remove_left(aside: Path, before: str, suffix: str) -> None:
    """Remove what processes that have ended began to write of a file."""
    import psutil

    for left in aside.glob(f"{before}*{suffix}"):
        number = left.name.removeprefix(before).removesuffix(suffix)
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            left.unlink(missing_ok=True)


class RemoteStore(Store):
    """A folder in a store that fsspec knows.

    Object stores have no locks and no renaming, and show an object only when it is whole. Processes that share such a
    folder may answer a shard twice; the answers are the same, and they are there once.
    """

    def __init__(self, url: str) -> None:
        self.location = url.rstrip("/")
        self._system, path = open_store(url, "writing to a remote store")
        self._folder = path.rstrip("/")

    def check_place(self, marker: str) -> None:
        """Check that nothing else is there."""
        if self.size(marker) is None and self._listing(""):
            raise UsageError(f"{self.location} holds other files: name a new folder for the output")

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the files directly in a folder."""
        found = self._listing(folder)
        return {entry["name"].rpartition("/")[2]: entry["size"] for entry in found if entry["type"] == "file"}

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        try:
            return self._system.size(self._path(name))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """Return the content of a file."""
        try:
            return self._system.cat_file(self._path(name))
        except FileNotFoundError:
            return None

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Give a temporary file, which is uploaded."""
        path = self._path(name)
        with tempfile.TemporaryDirectory(prefix="slmbench-shard-") as folder:
            building = Path(folder) / Path(name).name
            yield building
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(building), path)
        self._system.invalidate_cache()

    @contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Claim nothing."""
        yield True

    @contextmanager
    def alone(self, progress: Progress) -> Iterator[None]:
        """Wait for nobody."""
        yield

    def tidy(self) -> None:
        """Remove nothing."""

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _listing(self, folder: str) -> list[dict[str, Any]]:
        self._system.invalidate_cache()
        try:
            return self._system.ls(self._path(folder).rstrip("/"), detail=True)
        except FileNotFoundError:
            return []


def store_at(location: str) -> Store:
    """Return the folder at a path or URL.

    Raises:
        SlmbenchError: It is a URL, and what opens it is not installed.
    """
    return RemoteStore(location) if is_url(location) else LocalStore(local_path(location))
