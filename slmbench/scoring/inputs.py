"""The files of an input: which there are, and how each is opened, here or in a remote store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from slmbench.common.errors import SlmbenchError, UsageError, first_line
from slmbench.common.files import sha256_of
from slmbench.common.places import named_path
from slmbench.common.progress import SILENT
from slmbench.corpora.columns import KNOWN_COLUMNS
from slmbench.corpora.formats import FORMATS, format_of, open_table, table_in
from slmbench.corpora.local_files import corpus_files
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import Table, TableFormat
from slmbench.records.scoring import ScoredFile
from slmbench.scoring.stores import is_url, local_path, open_store

#: What remote stores call the identity of a file's content: Amazon's, Google's and Azure's, then others'.
_VERSIONS = ("ETag", "etag", "md5Hash", "content_settings", "checksum", "version", "generation")
_TIMES = ("LastModified", "updated", "last_modified", "mtime", "created")


class InputFile(NamedTuple):
    """A file of the input: its path or URL without the protocol, its size, and when it was changed."""

    name: str
    bytes: int
    modified: str


class Input:
    """The files that a path, a folder, a quoted pattern or a URL stands for, sorted by their names.

    Args:
        location: Such as ``reviews/*.parquet`` or ``s3://bucket/reviews/*.parquet``.
        files: The files, where they are known: a file that came later does not belong to them.
        without: A folder whose files are left out.

    Attributes:
        location: As given; a local one as an absolute path.
        files: At least one; all of one format.

    Raises:
        UsageError: There is no such file, the files are of several formats, or the name of one is not UTF-8.
        SlmbenchError: What opens the URL is not installed.
    """

    def __init__(
        self, location: str, files: Sequence[ScoredFile] | None = None, *, without: Path | None = None
    ) -> None:
        self._system: Any = None
        if is_url(location):
            self.location = location
            self._system, path = open_store(location, "reading from a remote store")
            found = (
                []
                if files
                else [InputFile(info["name"], info["size"], "") for info in _found(self._system, path, location)]
            )
        else:
            self.location = str(local_path(location).absolute())
            found = [] if files else [_local(path) for path in corpus_files(str(local_path(location)), without)]
        self.files = [InputFile(one.name, one.bytes, one.modified) for one in files] if files else found

    @property
    def is_remote(self) -> bool:
        """Whether the files are in a store that fsspec opens."""
        return self._system is not None

    def digest(self, file: InputFile) -> str:
        """Return what identifies the content of a file: its SHA-256, or what the store says of it."""
        if self._system is None:
            return sha256_of(Path(file.name))
        info = self._system.info(file.name)
        version = next((info[key] for key in _VERSIONS if info.get(key) is not None), None)
        return str(version if version is not None else self._system.ukey(file.name)).strip('"')

    def now(self, file: InputFile) -> InputFile:
        """Return a file as it is now; listings of remote stores do not tell when each was changed.

        Raises:
            OSError: It is not there any more.
        """
        return _local(Path(file.name)) if self._system is None else _remote(self._system.info(file.name))

    def changed(self, file: InputFile) -> bool:
        """Say whether a file is not as it was."""
        try:
            now = self.now(file)
        except OSError:
            return True
        return (now.bytes, now.modified) != (file.bytes, file.modified)

    @contextmanager
    def open(self, file: InputFile, layout: TableFormat, bad_rows: BadRows) -> Iterator[Table]:
        """Open a file as a table.

        Raises:
            SlmbenchError: It cannot be read.
        """
        with SILENT.task("") as task:
            if self._system is None:
                with open_table(Path(file.name), layout, KNOWN_COLUMNS, bad_rows, task) as table:
                    yield table
                return
            try:
                with (
                    self._system.open(file.name, "rb") as raw,
                    table_in(PurePosixPath(file.name), raw, layout, KNOWN_COLUMNS, bad_rows, task) as table,
                ):
                    yield table
            except OSError as error:
                raise SlmbenchError(f"{file.name} cannot be read ({first_line(error)})") from None


def _local(path: Path) -> InputFile:
    status = named_path(path).stat()
    return InputFile(str(path.absolute()), status.st_size, str(status.st_mtime_ns))


def _remote(info: dict[str, Any]) -> InputFile:
    time = next((info[key] for key in _TIMES if info.get(key) is not None), "")
    return InputFile(info["name"], info["size"], str(time))


def _found(system: Any, path: str, location: str) -> list[dict[str, Any]]:
    """Return what a store says of the files that a path, folder or pattern stands for."""
    try:
        if set("*?[") & set(path):
            found = system.glob(path, detail=True)
        else:
            found = {info["name"]: info for info in system.ls(path, detail=True)}
    except (OSError, ValueError) as error:
        raise UsageError(f"{location} cannot be read: {first_line(error)}") from None
    except Exception as error:  # noqa: BLE001 - stores raise what their own libraries raise
        raise SlmbenchError(f"{location} cannot be read: {first_line(error)}") from None
    files = [
        info
        for name, info in sorted(found.items())
        if info["type"] == "file" and format_of(PurePath(name)) in FORMATS and not PurePath(name).name.startswith(".")
    ]
    if not files:
        raise UsageError(f"{location} has no tables ({', '.join(FORMATS)})")
    formats = sorted({format_of(PurePath(info["name"])) for info in files})
    if len(formats) > 1:
        raise UsageError(
            f"{location} has files of several formats ({', '.join(formats)}): name one, as in *{formats[0]}"
        )
    return [info for info in files if info["size"]] or files
