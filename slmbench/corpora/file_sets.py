"""Local files that a corpus name stands for: one file, the files a pattern matches, or those of a folder."""

from __future__ import annotations

import re
from pathlib import Path

from slmbench.common.errors import UsageError
from slmbench.corpora.tables import format_of

_WILDCARD = re.compile(r"[*?]|\[[^]]*\]")


def local_files(name: str) -> list[Path]:
    """Return the files a corpus name stands for, in the order of their paths; whether they can be read is not asked.

    Args:
        name: Path of a file; a folder, of which the files directly in it are meant; or a pattern such as
            ``data/amazon_*.jsonl``. Hidden files are passed over.

    Returns:
        The files; none when there are none.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = path.iterdir()
    elif _is_pattern(name):
        # From the root, because pathlib takes no pattern that begins there.
        whole = path.absolute()
        found = Path(whole.anchor).glob(str(whole.relative_to(whole.anchor)))
    else:
        return []
    return sorted(file for file in found if file.is_file() and not file.name.startswith("."))


def is_local(name: str) -> bool:
    """Say whether a name can only be that of something on this machine: a path that is there, or a pattern."""
    return Path(name).expanduser().exists() or _is_pattern(name)


def corpus_files(name: str) -> list[Path]:
    """Return the files of a local corpus.

    Args:
        name: A name that :func:`is_local`.

    Returns:
        At least one file, all of one format.

    Raises:
        UsageError: The pattern matches no file, the folder has none, or the files are of several formats.
    """
    files = local_files(name)
    folder = Path(name).expanduser().is_dir()
    if not files:
        raise UsageError(f"{name} is a folder without files" if folder else f"no file matches {name}")
    formats = sorted({format_of(file) or "no suffix" for file in files})
    if len(formats) > 1:
        several = f"its files are of several formats ({', '.join(formats)})"
        if folder:
            raise UsageError(
                f"{name} is a folder; give the file with the reviews, or a pattern such as"
                f" '{Path(name) / '*.jsonl'}': {several}"
            )
        raise UsageError(f"{name} is no corpus: {several}; make the pattern match one format")
    return files


def corpus_name(name: str) -> str:
    """Return what to call a local corpus: its last part, of a pattern without the signs that no folder may bear."""
    path = Path(name).expanduser()
    if path.exists():
        return path.name or path.resolve().name
    parts = (_WILDCARD.sub("", part).strip("-_. ") for part in (path.name.split(".")[0], path.absolute().parent.name))
    return next(filter(None, parts), "files")


def _is_pattern(name: str) -> bool:
    return _WILDCARD.search(name) is not None
