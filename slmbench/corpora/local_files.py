"""Corpora in local files: one file, the files that a pattern matches, or those of a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slmbench.common.errors import UsageError
from slmbench.common.progress import Progress
from slmbench.corpora.columns import KNOWN_COLUMNS
from slmbench.corpora.formats import format_of, open_table
from slmbench.corpora.rows import BadRows
from slmbench.corpora.sources import CorpusSource, Opening, OpenPart
from slmbench.corpora.tables import Table, TableFormat

_WILDCARD = re.compile(r"[*?]|\[[^]]*\]")


class LocalFiles(CorpusSource):
    """Files on this machine; several are read as one corpus."""

    name = "files"
    help = "A CSV, TSV, JSON Lines, JSON or Parquet file, a quoted pattern such as 'data/*.jsonl', or a folder."

    def matches(self, corpus: str) -> bool:
        """Say whether a name can only be that of something on this machine: a path that is there, or a pattern."""
        return Path(corpus).expanduser().exists() or _is_pattern(corpus)

    def is_available(self, corpus: str) -> bool:
        """Say whether any file is there."""
        return bool(local_files(corpus))

    def short_name(self, corpus: str) -> str:
        """Return its last part; of a pattern, without the signs that no folder name may have."""
        path = Path(corpus).expanduser()
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
        return str(Path(corpus).expanduser().absolute())

    def parts(self, corpus: str, opening: Opening) -> Iterator[OpenPart]:
        """Open the files in the order of their paths."""
        files = corpus_files(corpus)
        # Files of several folders may have the same name.
        names_differ = len({file.name for file in files}) == len(files)
        for path in files:
            name = path.name if names_differ else str(path)
            bad_rows = opening.bad_rows(name)
            with open_file(path, opening.wanted.layout, bad_rows, opening.progress) as table:
                yield OpenPart(name, table, bad_rows, file=name if len(files) > 1 else "")


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


def local_files(name: str) -> list[Path]:
    """Return the files a corpus name stands for, in the order of their paths; readable or not.

    Args:
        name: Path of a file; a folder, of which the files directly in it are meant; or a pattern such as
            ``data/amazon_*.jsonl``. Hidden files are ignored.

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


def corpus_files(name: str) -> list[Path]:
    """Return the files of a local corpus.

    Args:
        name: See :func:`local_files`.

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
        raise UsageError(f"{name} is not a corpus: {several}; make the pattern match one format")
    return files


def _is_pattern(name: str) -> bool:
    return _WILDCARD.search(name) is not None
