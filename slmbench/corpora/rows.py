"""One labelled review, how its text is hashed, and what happens to rows that cannot be used."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import NamedTuple

from slmbench.common.errors import SlmbenchError

#: No review is this long (in bytes); a line that is, holds something else.
MAX_ROW_BYTES = 10_000_000


#: Characters without a width, for ``str.translate``: they come with copied text and marks of the byte order.
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\0"))
#: Halves of surrogate pairs other than those that stand for bytes that are not UTF-8.
_HALF_PAIRS = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class Review(NamedTuple):
    """A review: row number in its table, text, label name, SHA-256 of the normalised text.

    ``mark`` is what decides its side of the split instead of the hash; see :mod:`slmbench.corpora.division`.
    """

    number: int
    text: str
    label: str
    digest: bytes
    mark: int | None = None

    @property
    def row_id(self) -> str:
        """16 hexadecimal digits of the hash, a colon, the label."""
        return f"{self.digest[:8].hex()}:{self.label}"


def text_digest(text: str) -> bytes:
    """Return the SHA-256 of a text, normalised so that copies which differ in nothing that is read are equal.

    The text is brought to Unicode form NFC and runs of white space become one space; case is kept.

    Raises:
        UnicodeEncodeError: The text holds bytes that were no UTF-8.
    """
    collapsed = " ".join(text.split())
    if not collapsed.isascii():
        collapsed = unicodedata.normalize("NFC", collapsed)
    return hashlib.sha256(collapsed.encode()).digest()


def without_half_pairs(text: str) -> str:
    """Return a text in which half a surrogate pair, as a cut JSON escape leaves it, is U+FFFD, as in an app."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _HALF_PAIRS.sub("\ufffd", text)
    return text


class UnusableRowError(Exception):
    """What is wrong with a row, as the rest of a sentence; becomes an error with its number, or a count."""


SKIPPING = "correct it, or pass --skip-bad-rows to leave such rows out"


class BadRows:
    """Decides about rows that cannot be used: an error naming the first, or a count of those left out.

    Args:
        source: What messages call the table.
        skip: Leave such rows out.
        remedy: What a message says to do.
    """

    def __init__(self, source: str, skip: bool, remedy: str = SKIPPING) -> None:
        self._source = source
        self._skip = skip
        self._remedy = remedy
        self.skipped = 0

    def report(self, number: int, why: str) -> None:
        """Leave a row out, when that was asked for.

        Args:
            number: Review number, from 1; of the data rows, where there is a header.
            why: What is wrong with it, as the rest of a sentence.

        Raises:
            SlmbenchError: Leaving rows out was not asked for.
        """
        if not self._skip:
            raise SlmbenchError(f"{self._source}: row {number}: {why}; {self._remedy}")
        self.skipped += 1
