"""Lines of a file, none longer than a row may be."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from slmbench.common.errors import SlmbenchError
from slmbench.corpora.rows import MAX_ROW_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slmbench.common.progress import Task

#: What is wrong with a longer line, as the rest of a sentence.
TOO_LONG = f"it is longer than {MAX_ROW_BYTES // 1_000_000} MB; is this one review a line?"
_SHOWN_EVERY = 500


class LineTooLong(Exception):  # noqa: N818 - caught one frame up, never shown
    """A line is longer than :data:`MAX_ROW_BYTES`; it has been skipped."""


class Lines:
    """Lines of a binary file as text, none longer than a row may be.

    Bytes that are no UTF-8 become lone surrogates, so that whoever knows the row number can report them.
    """

    def __init__(self, file: IO[bytes], raw: IO[bytes], task: Task) -> None:
        self._file = file
        self._raw = raw
        self._task = task
        self._shown = 0
        self._read = 0
        self._start = file.readline(MAX_ROW_BYTES + 1).removeprefix(b"\xef\xbb\xbf")

    def check_start(self, path: Path) -> None:
        """Raise when the file is empty or not in UTF-8."""
        if not self._start:
            raise SlmbenchError(f"{path} is empty")
        if self._start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise SlmbenchError(f"{path} is in UTF-16; save it as UTF-8")

    def starts_with(self, sign: bytes) -> bool:
        """Say whether the first bytes that are not white space are these."""
        return self._start.lstrip().startswith(sign)

    def rest(self) -> bytes:
        """Return all that has not been read."""
        return self._start + self._file.read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._start = self._start, b""
        line = line or self._file.readline(MAX_ROW_BYTES + 1)
        if not line:
            self._show()
            raise StopIteration
        self._read += 1
        if self._read % _SHOWN_EVERY == 0:
            self._show()
        if len(line) > MAX_ROW_BYTES:
            while line and not line.endswith(b"\n"):
                line = self._file.readline(MAX_ROW_BYTES)
            raise LineTooLong
        return line.decode("utf-8", "surrogateescape")

    def _show(self) -> None:
        position = self._raw.tell()
        self._task.advance(position - self._shown)
        self._shown = position
