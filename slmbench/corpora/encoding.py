"""Which encoding and line ends a text file has: found out from its beginning, and always handed on as UTF-8 lines."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any, cast

from slmbench.common.errors import SlmbenchError, UsageError

#: Suffixes of compressed files.
COMPRESSED = (".gz", ".bz2", ".xz")
#: What they begin with, whatever they are called, and what reads them.
_READERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
#: Bytes that are looked at.
SNIFFED_BYTES = 1 << 20
_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
#: Characters of cp1252 beyond ASCII that western European texts hold; a file with others is of another encoding.
_WESTERN = frozenset(
    "àáâãäåæçèéêëìíîïñòóôõöøœùúûüýÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØŒÙÚÛÜÝŸßŠšŽž‘’‚“”„«»–—…•·€£¥§©®™°±²³½¼¾¡¿´¨ª\u00ba\u00a0"
)
#: Signs between two letters, as in ma³y, are letters of another encoding where they are not the exception.
_SIGN_IN_A_WORD = re.compile(r"(?<=[^\W\d_])[²³¹¿¡±¼½¾§¥£©®°€](?=[^\W\d_])")
_MAX_SIGN_SHARE = 0.1
#: Larger shares of such characters are those of Greek or Cyrillic read as cp1252.
_MAX_WESTERN_SHARE = 0.25


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a file become lines.

    Attributes:
        name: Python's name of the encoding.
        lone_cr: Lines end in a carriage return alone.
        notes: What of it was found out and is not the usual.
    """

    name: str = "utf-8"
    lone_cr: bool = False
    notes: tuple[str, ...] = ()


def sniff(head: bytes, named: str | None, *, may_be_western: bool) -> Encoding:
    """Find out the encoding of a file.

    Args:
        head: Its first bytes, up to :data:`SNIFFED_BYTES`.
        named: The encoding that the caller has named.
        may_be_western: A file that is not in UTF-8 may be in cp1252 (JSON never is).

    Returns:
        The encoding. A file of no known one is taken as UTF-8, so that its broken rows are reported by number.

    Raises:
        UsageError: There is no encoding of the name.
    """
    notes = []
    name = "utf-8"
    if named is not None:
        try:
            name = codecs.lookup(named).name
        except LookupError:
            raise UsageError(f"--encoding: there is no encoding '{named}'; such as utf-8, cp1252, utf-16") from None
        if name == "utf-16":  # a file without a byte order mark is of the other order on no machine one meets
            name = _UTF_16_MARKS.get(head[:2], "utf-16-le")
    elif wide := _wide(head):
        name = wide
        notes.append(f"read as {name.upper()}")
    elif may_be_western and _is_western(head):
        name = "cp1252"
        notes.append("not in UTF-8: read as cp1252 (--encoding names another)")
    narrow = head.replace(b"\0", b"")
    lone_cr = b"\r" in narrow and b"\n" not in narrow
    if lone_cr:
        notes.append("lines end in a carriage return alone")
    return Encoding(name, lone_cr, tuple(notes))


def open_text(
    path: PurePath, raw: IO[bytes], named: str | None, *, may_be_western: bool
) -> tuple[IO[bytes], list[str]]:
    """Open a text file, compressed or not, as UTF-8 lines that end in a line feed.

    Args:
        path: The file, for messages.
        raw: It, open for reading.
        named: The encoding that the caller has named.
        may_be_western: See :func:`sniff`.

    Returns:
        What to read from, without a byte order mark; and what was found out.

    Raises:
        UsageError: There is no encoding of the name.
    """
    begin = raw.read(8)
    raw.seek(0)
    reader = next((reader for mark, reader in _READERS.items() if begin.startswith(mark)), None)
    opened = reader(raw) if reader else raw
    file = io.BufferedReader(cast("io.RawIOBase", opened), SNIFFED_BYTES)
    head = file.peek(SNIFFED_BYTES)
    encoding = sniff(head, named, may_be_western=may_be_western)
    if encoding.name == "utf-8" and not encoding.lone_cr:
        if head.startswith(_UTF_8_MARK):
            file.read(len(_UTF_8_MARK))
        return file, list(encoding.notes)
    return io.BufferedReader(_Recoded(path, file, encoding), SNIFFED_BYTES), list(encoding.notes)


class _Recoded(io.RawIOBase):
    """A file's bytes in UTF-8, its line ends as line feeds."""

    def __init__(self, path: PurePath, file: IO[bytes], encoding: Encoding) -> None:
        self._path = path
        self._file = file
        self._encoding = encoding
        errors = "surrogateescape" if encoding.name == "utf-8" else "strict"
        self._decoder = codecs.getincrementaldecoder(encoding.name)(errors)
        self._begun = False
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            block = self._file.read(SNIFFED_BYTES)
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise SlmbenchError(
                    f"{self._path} is not in {self._encoding.name} ({error.reason}): name its encoding (--encoding)"
                ) from None
            if self._encoding.lone_cr:
                text = text.replace("\r", "\n")
            if text and not self._begun:
                text = text.removeprefix("\ufeff")
                self._begun = True
            self._ready = text.encode("utf-8", "surrogateescape")
            if not block:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def _wide(head: bytes) -> str | None:
    """Return the kind of UTF-16 that a file is in: by its mark, or by the zeros beside its ASCII characters."""
    if head[:2] in _UTF_16_MARKS:
        return _UTF_16_MARKS[head[:2]]
    sample = head[:4096]
    if len(sample) < 4:
        return None
    zeros = [sample[start::2].count(0) / (len(sample) // 2) for start in (0, 1)]
    if max(zeros) > 0.4 and min(zeros) < 0.05:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return None


def _is_western(head: bytes) -> bool:
    """Say whether bytes that are not UTF-8 read as a western European text in cp1252."""
    try:
        # A character may be cut where the bytes looked at end, but not where the file ends.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < SNIFFED_BYTES)
    except UnicodeDecodeError:
        pass
    else:
        return False
    if _has_utf_8(head):
        return False  # a file in UTF-8 with broken rows
    try:
        text = head.decode("cp1252")
    except UnicodeDecodeError:
        return False
    beyond = [character for character in text if ord(character) > 127]
    letters = sum(character.isalpha() for character in text)
    if len(_SIGN_IN_A_WORD.findall(text)) > _MAX_SIGN_SHARE * len(beyond):
        return False
    return set(beyond) <= _WESTERN and len(beyond) <= _MAX_WESTERN_SHARE * letters


def _has_utf_8(head: bytes) -> bool:
    """Say whether any character beyond ASCII is in UTF-8: what is not decoded becomes lone surrogates."""
    return any(
        "\x7f" < character < "\ud800" or character > "\udfff" for character in head.decode("utf-8", "surrogateescape")
    )
