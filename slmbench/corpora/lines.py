"""Lines of a UTF-8 file, none longer than a row may be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import IO

from slmbench.common.progress import Task
from slmbench.corpora.rows import MAX_ROW_BYTES

#: What is wrong with a longer line, as the rest of a sentence.
TOO_LONG = f"it is longer than {MAX_ROW_BYTES // 1_000_000} MB; is this one review a line?"
_SHOWN_EVERY = 500


class LineTooLong(Exception):  # noqa: N818 - caught one frame up, never shown
    """A line is longer than :data:`MAX_ROW_BYTES`; it has been skipped."""


class Lines:
    """Lines of a binary file as text.

    Bytes that are no UTF-8 become lone surrogates, so that whoever knows the row number can report them.

    Args:
        file: What to read from.
        raw: The file on disk, whose position says how much has been read.
        task: Advanced by the bytes of ``raw``.
    """

    def __init__(self, file: IO[bytes], raw: IO[bytes], task: Task) -> None:
        self._file = file
        self._raw = raw
        self._task = task
        self._shown = 0
        self._read = 0
        self._ahead: deque[bytes] = deque()

    def ahead(self, count: int) -> list[bytes]:
        """Return the next lines, up to so many, without taking them; a line that is too long comes cut."""
        while len(self._ahead) < count and not (self._ahead and len(self._ahead[-1]) > MAX_ROW_BYTES):
            line = self._file.readline(MAX_ROW_BYTES + 1)
            if not line:
                break
            self._ahead.append(line)
        return list(self._ahead)[:count]

    def rest(self) -> bytes:
        """Return all that has not been read."""
        ahead = b"".join(self._ahead)
        self._ahead.clear()
        return ahead + self._file.read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._file.readline(MAX_ROW_BYTES + 1)
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
