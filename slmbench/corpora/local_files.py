"""Corpora in local files: one file, the files that a pattern matches, or those of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Literal

from slmbench.common.errors import UsageError
from slmbench.common.formatting import few
from slmbench.common.places import named_path
from slmbench.common.progress import Progress
from slmbench.corpora.columns import KNOWN_COLUMNS
from slmbench.corpora.formats import FORMATS, format_of, open_table
from slmbench.corpora.rows import BadRows
from slmbench.corpora.sources import CorpusSource, Opening, OpenPart
from slmbench.corpora.tables import Table, TableFormat

#: Words by which the files of a dataset's parts are told.
_PART = re.compile(r"(?<![a-z])(train|training|test|validation|valid|val|dev)(?![a-z])")
#: Suffixes of what stands beside the tables of a folder: descriptions, markers, checksums, scripts.
_BESIDE_TABLES = ("", ".md", ".rst", ".txt", ".crc", ".yaml", ".yml", ".py", ".sh")
#: Files below a folder that are looked at for a message.
_MAX_LOOKED_AT = 10_000
#: Files and folders that a pattern may have to look at.
MAX_PATTERN_LOOKS = 100_000
_WILDCARD = re.compile(r"[*?]|\[[^]]*\]")


class LocalFiles(CorpusSource):
    """Files on this machine; several are read as one corpus."""

    name = "files"
    help = "A CSV, TSV, JSON, Parquet or Arrow file, a quoted pattern such as 'data/*.jsonl', or a folder."

    def matches(self, corpus: str) -> bool:
        """Say whether a name can only be that of something on this machine: a path that is there, or a pattern."""
        return named_path(corpus).exists() or is_pattern(corpus)

    def is_available(self, corpus: str) -> bool:
        """Say whether any file is there."""
        return bool(local_files(corpus))

    def short_name(self, corpus: str) -> str:
        """Return its last part; of a pattern, without the signs that no folder name may have."""
        path = named_path(corpus)
        if path.exists():
            return path.name or path.resolve().name
        parts = (
            _WILDCARD.sub("", part).strip("-_. ") for part in (path.name.split(".")[0], path.absolute().parent.name)
        )
        return next(filter(None, parts), "files")

    def description(self, corpus: str) -> str:
        """Return the absolute path, and how many files there are."""
        count = len(corpus_files(corpus))
        return f"{'file' if count == 1 else f'{count} files'} {self.location(corpus)}"

    def location(self, corpus: str) -> str:
        """Return the absolute path or pattern."""
        return str(named_path(corpus).absolute())

    def parts(self, corpus: str, opening: Opening) -> Iterator[OpenPart]:
        """Open the files in the order of their paths; where their names say so, those of the test part first.

        The parts of a dataset are told by their names where every file has one and there are files to train on, as
        in ``train-00000-of-00002.parquet``. A part for validation is the test part where there is no other.
        """
        files = corpus_files(corpus)
        # Files of several folders may have the same name.
        names_differ = len({file.name for file in files}) == len(files)
        parts = parts_by_name(files)
        for path in parts or files:
            name = path.name if names_differ else str(path)
            bad_rows = opening.bad_rows(name)
            with open_file(path, opening.wanted.layout, bad_rows, opening.progress) as table:
                side = parts.get(path, "train")
                yield OpenPart(name, table, bad_rows, side, file=name if len(files) > 1 else "")

    def notes(self, corpus: str, *, for_test: bool) -> list[str]:
        """Return which files are left out."""
        files = corpus_files(corpus)
        left = [path.name for path in files if (parts := parts_by_name(files)) and path not in parts]
        return [f"left out, as there is another part to test on: {few(left)}"] if left else []


@contextmanager
def open_file(
    path: Path, layout: TableFormat, bad_rows: BadRows, progress: Progress, name: str | None = None
) -> Iterator[Table]:
    """Open a local file of reviews, with a bar that shows how much of it is read.

    Args:
        path: The file.
        layout: What the caller has said of its layout.
        bad_rows: Told of rows that cannot be read.
        progress: Where the bar is shown.
        name: What stands beside the bar instead of the file's name.

    Raises:
        UsageError: It is of no supported format.
        SlmbenchError: It cannot be read.
    """
    with (
        progress.task(f"reading {name or path.name}", total=path.stat().st_size, unit="bytes") as task,
        open_table(path, layout, KNOWN_COLUMNS, bad_rows, task) as table,
    ):
        yield table


def parts_by_name(files: Sequence[Path]) -> dict[Path, Literal["train", "test"]]:
    """Return which side each file is of, those of the test side first; empty where their names do not tell."""
    found = {path: words for path in files if len(words := _PART.findall(path.name.lower())) == 1}
    names = {words[0] for words in found.values()}
    if len(found) < len(files) or not names & {"train", "training"} or len(names) < 2:
        return {}
    test = "test" if "test" in names else next(name for name in names if not name.startswith("train"))
    sides: dict[Path, Literal["train", "test"]] = {path: "test" for path, words in found.items() if words[0] == test}
    return sides | {path: "train" for path, words in found.items() if words[0].startswith("train")}


def local_files(name: str) -> list[Path]:
    """Return the files a corpus name stands for, in the order of their paths; readable or not.

    Args:
        name: Path of a file; a folder, of which the files directly in it are meant; or a pattern such as
            ``data/amazon_*.jsonl``. Hidden files are ignored.

    Returns:
        The files; none when there are none.
    """
    path = named_path(name)
    if path.is_file():
        return [path]
    if path.is_dir():
        found: Iterable[Path] = path.iterdir()
    elif is_pattern(name):
        whole = path.absolute()
        found = _matching(Path(whole.anchor), whole.parts[1:], [MAX_PATTERN_LOOKS])
    else:
        return []
    return sorted({file for file in found if file.is_file() and not file.name.startswith(".")})


def _matching(folder: Path, parts: Sequence[str], left: list[int]) -> Iterator[Path]:
    """Return what matches a pattern below a folder; ``**`` stands for any number of folders.

    Args:
        folder: Where to look.
        parts: Parts of the pattern.
        left: How many more names may be looked at.

    Raises:
        UsageError: It would be more than :data:`MAX_PATTERN_LOOKS`: nothing searches a whole disk.
    """
    if not parts:
        yield folder
        return
    first, *further = parts
    if first != "**" and not is_pattern(first):
        if (folder / first).exists():
            yield from _matching(folder / first, further, left)
        return
    try:
        inside = sorted(folder.iterdir())
    except OSError:  # a file, or a folder that may not be read
        return
    left[0] -= len(inside)
    if left[0] < 0:
        raise UsageError(
            f"a pattern has more than {MAX_PATTERN_LOOKS:,} files and folders to look at: name its folder"
        )
    if first == "**":
        yield from _matching(folder, further, left)
        for one in inside:
            if one.is_dir() and not one.is_symlink():
                yield from _matching(one, parts, left)
    else:
        for one in inside:
            if fnmatchcase(os.path.normcase(one.name), os.path.normcase(first)):
                yield from _matching(one, further, left)


def corpus_files(name: str, without: Path | None = None) -> list[Path]:
    """Return the files of a local corpus.

    Args:
        name: See :func:`local_files`.
        without: An absolute path of a folder whose files are left out.

    Returns:
        At least one file, all of one format. Among several, empty ones are left out, and in a folder those that are
        descriptions, such as a README, or markers, such as ``_SUCCESS``.

    Raises:
        UsageError: The pattern matches no file, the folder has none, or the files are of several formats.
    """
    files = [file for file in local_files(name) if without not in file.absolute().parents]
    folder = named_path(name)
    is_folder = folder.is_dir()
    if not files and is_folder:
        raise UsageError(f"{name} is a folder without files{_below(folder)}")
    if not files:
        raise UsageError(f"no file matches {name}")
    tables = [file for file in files if format_of(file) in FORMATS]
    if is_folder and not tables:
        raise UsageError(f"{name} is a folder without tables ({', '.join(FORMATS)}){_below(folder)}")
    if is_folder:
        files = [file for file in files if format_of(file) not in _BESIDE_TABLES]
    if len(files) > 1:
        files = [file for file in files if file.stat().st_size] or files
    formats = sorted({format_of(file) or "no suffix" for file in files})
    if len(formats) > 1:
        several = f"its files are of several formats ({', '.join(formats)})"
        if is_folder:
            raise UsageError(
                f"{name} is a folder; give the file with the reviews, or a pattern such as"
                f" '{Path(name) / f'*{formats[-1]}'}': {several}"
            )
        raise UsageError(f"{name} is not a corpus: {several}; make the pattern match one format")
    return files


def _below(folder: Path) -> str:
    """Return the end of a message about a folder: what to name instead, from what is below it."""
    below = sorted(path for path in islice(folder.rglob("*"), _MAX_LOOKED_AT) if path.is_file())
    if tables := [path for path in below if format_of(path) in FORMATS and path.parent != folder]:
        return f": give {tables[0].parent}"
    if any(path.suffix == ".txt" for path in below):
        return ": texts in files of their own have to be put into one table, with their folder's name as the label"
    return ""


def is_pattern(name: str) -> bool:
    """Say whether a name has wildcards, so that it can stand for several files."""
    return _WILDCARD.search(name) is not None
