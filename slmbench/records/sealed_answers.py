"""Sealed answers: what a form says to the confirmation rows, kept packed until the form has been chosen.

Packing hides nothing from those who want to look. It makes sure that nothing reads the answers by accident, and that
every look goes through :func:`open_answers`, whose one caller logs it.
"""

from __future__ import annotations

import base64
import hashlib
import zlib

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.edge.runtime import MAX_RECORD_BYTES
from slmbench.records.base import Part
from slmbench.records.documents import READING, FileName
from slmbench.records.predictions import Predictions

#: Folder of the sealed files below a bundle's.
FOLDER = "confirmation"
#: Characters of a piece of the base64 text.
_PIECE = 1000


class SealedAnswers(Part):
    """Answers to reviews used for nothing else.

    In a bundle ``file`` has them, by its path below the bundle's folder; in a profile ``content`` does: the file's
    bytes in base64, cut into pieces (a table of records leaves lists out).
    """

    reviews: int
    #: Hash of the reviews answered, and of all confirmation rows of the corpus, of which they are the first.
    rows_hash: str
    confirmation_hash: str
    #: SHA-256 of the file.
    digest: str
    #: How the answers were given.
    regime: str
    file: FileName | None = None
    content: list[str] | None = None

    def carrying(self, content: bytes) -> SealedAnswers:
        """Return what a profile keeps: the file's bytes, unread, in place of its path."""
        text = base64.b64encode(content).decode()
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
        return self.model_copy(update={"file": None, "content": pieces})


def seal_answers(answers: Predictions) -> bytes:
    """Pack answers: their JSON, compressed."""
    return zlib.compress(answers.model_dump_json().encode(), 9)


def carried_content(sealed: SealedAnswers) -> bytes:
    """Return the packed answers that a profile carries, still unread.

    Raises:
        SlmbenchError: They are not those that were sealed.
    """
    try:
        content = base64.b64decode("".join(sealed.content or ()), validate=True)
    except ValueError:
        content = b""
    if hashlib.sha256(content).hexdigest() != sealed.digest:
        raise SlmbenchError("its sealed answers are not those of the export: their SHA-256 differs")
    return content


def open_answers(content: bytes) -> Predictions:
    """Read packed answers.

    Raises:
        SlmbenchError: They are damaged, or unpack to more than :data:`MAX_RECORD_BYTES`.
    """
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(content, MAX_RECORD_BYTES)
        if not unpacking.eof:
            raise SlmbenchError("its sealed answers are cut off, or unpack without end")
        return Predictions.model_validate_json(text, context=READING)
    except (zlib.error, ValueError) as error:
        raise SlmbenchError(f"its sealed answers are damaged ({first_line(error)})") from None
