"""Reviews without their labels, read one at a time: what a language model is adapted to.

A corpus may be far larger than memory: what is kept of each review while a sample is drawn is eight bytes of its
hash. A review that is held out for testing is left out by the rule that :func:`slmbench.corpora.load_corpus`
follows, so that a later fine-tuning tests on none of the reviews seen here.
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora.columns import Wanted, choose_text, read_texts
from slmbench.corpora.division import Division
from slmbench.corpora.known_corpora import check_corpus, find_source
from slmbench.corpora.loading import Size
from slmbench.corpora.rows import text_digest
from slmbench.corpora.sources import Opening
from slmbench.corpora.splitting import draw_key, is_test_side
from slmbench.corpora.tables import TableFormat

#: Reviews learned from when nothing is said.
DEFAULT_TEXTS = 5000
#: Reviews set aside to measure on, at most; and the share of a small corpus that they may be.
MEASURED_TEXTS = 200
_MEASURED_SHARE = 10


class Text(NamedTuple):
    """A review without its label: text, SHA-256 of the normalised text, whether it is held out for testing."""

    text: str
    digest: bytes
    for_test: bool


def stream_texts(
    name_or_path: str = "imdb",
    *,
    text_column: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    skip_bad_rows: bool = False,
    test_share: float | None = None,
    progress: Progress = SILENT,
) -> Iterator[Text]:
    """Read the reviews of a corpus one at a time; it need not have labels.

    Args:
        name_or_path: A starter corpus, a local file, several of them (a pattern, or their folder), or a hub dataset,
            of which the training part is read.
        text_column: Column with the text, or several with commas between them, whose texts are joined with line
            feeds; when ``None`` found by its name, or the only one there is.
        delimiter: As for :func:`slmbench.corpora.load_corpus`.
        encoding: Likewise.
        header: Likewise.
        skip_bad_rows: Leave out rows that cannot be used instead of raising.
        test_share: Share of the reviews that is held out for testing, as for :func:`slmbench.corpora.load_corpus`.
        progress: Told what is fetched and read.

    Yields:
        Reviews in the order of the corpus, copies included.

    Raises:
        UsageError: There is no such corpus or column.
        SlmbenchError: A row cannot be used, or the corpus cannot be fetched.
    """
    wanted = Wanted(text_column, layout=TableFormat(delimiter, encoding, header))
    return _stream(name_or_path, Opening(wanted, skip_bad_rows, progress), Division(test_share))


@dataclass(frozen=True)
class TextSample:
    """Reviews to learn from, which are read again for every pass over them, and reviews to measure on.

    Attributes:
        name: Of the corpus.
        source: Where it comes from.
        keys: Draw keys of the reviews to learn from, ascending, shape (reviews,), uint64.
        measured: Other reviews of the training side, never learned from, with their draw keys.
        pool: Different reviews on the training side.
        copies: Rows of the training side that repeat another.
        left_out: Rows left out because they are held out for testing.
        skipped: Rows left out because they cannot be used.
        options: Keyword arguments of :func:`stream_texts`.
    """

    name: str
    source: str
    keys: np.ndarray
    measured: list[tuple[int, str]]
    pool: int
    copies: int
    left_out: int
    skipped: int
    options: dict[str, object]

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[str]:
        """Yield the reviews to learn from, each once, in the order of the corpus."""
        due = np.ones(len(self.keys), dtype=bool)
        left = len(self.keys)
        with closing(stream_texts(**self.options)) as texts:  # type: ignore[arg-type,type-var]
            for text, digest, for_test in texts:
                key = np.uint64(draw_key(digest))
                place = int(np.searchsorted(self.keys, key))
                if for_test or place == len(self.keys) or self.keys[place] != key or not due[place]:
                    continue
                due[place] = False
                left -= 1
                yield text
                if not left:
                    return

    def text_ids(self) -> list[str]:
        """Return 16 hexadecimal digits of the hash of each review to learn from; the corpus is read again."""
        return [text_digest(text)[:8].hex() for text in self]

    def texts_hash(self) -> str:
        """Return a hash of which reviews are learned from, whatever their order."""
        return _hash_of(self.keys)

    def measured_hash(self) -> str:
        """Return a hash of which reviews are measured on."""
        return _hash_of(np.array(sorted(key for key, _ in self.measured), dtype=np.uint64))


def sample_texts(
    name_or_path: str = "imdb",
    *,
    size: Size | None = None,
    text_column: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    skip_bad_rows: bool = False,
    test_share: float | None = None,
    progress: Progress = SILENT,
) -> TextSample:
    """Read a corpus once and settle which of its reviews to learn from and to measure on.

    Reviews are drawn in the order that their hashes give, as for :func:`slmbench.corpora.load_corpus` but without
    regard to labels; those measured on are the last in that order.

    Args:
        name_or_path: See :func:`stream_texts`.
        size: Reviews to learn from, or ``"all"``; up to 5,000 when ``None``.
        text_column: See :func:`stream_texts`.
        delimiter: See :func:`stream_texts`.
        encoding: See :func:`stream_texts`.
        header: See :func:`stream_texts`.
        skip_bad_rows: See :func:`stream_texts`.
        test_share: See :func:`stream_texts`.
        progress: See :func:`stream_texts`.

    Returns:
        The sample.

    Raises:
        UsageError: There is no such corpus or column, or more reviews are wanted than there are.
        SlmbenchError: A row cannot be used, or there are fewer than ten reviews.
    """
    layout = TableFormat(delimiter, encoding, header)
    opening = Opening(Wanted(text_column, layout=layout), skip_bad_rows, progress)
    seen = array("Q")
    last = _Last(MEASURED_TEXTS)
    left_out = 0
    division = Division(test_share)
    for text, digest, for_test in _stream(name_or_path, opening, division):
        if for_test:
            left_out += 1
            continue
        key = draw_key(digest)
        seen.append(key)
        last.add(key, text)
    keys = np.unique(np.frombuffer(seen, dtype=np.uint64))
    source = find_source(name_or_path)
    name = source.short_name(name_or_path)
    if len(keys) < _MEASURED_SHARE:
        raise SlmbenchError(
            f"{name} has {len(keys)} different reviews that are not held out for testing: too few to learn from"
            " some and to measure on others"
        )
    measured = last.texts()[-min(MEASURED_TEXTS, len(keys) // _MEASURED_SHARE) :]
    most = len(keys) - len(measured)
    wanted = min(DEFAULT_TEXTS, most) if size is None else most if size == "all" else size
    if not 1 <= wanted <= most:
        raise UsageError(
            f"{name} has {most:,} different reviews to learn from, beside {len(measured)} to measure on and those"
            f" held out for testing: ask for 1 to {most:,} of them, not {wanted:,}"
        )
    return TextSample(
        name=name,
        source=source.description(name_or_path),
        keys=keys[:wanted].copy(),
        measured=measured,
        pool=len(keys),
        copies=len(seen) - len(keys),
        left_out=left_out,
        skipped=opening.skipped,
        options={
            "name_or_path": source.location(name_or_path),
            "text_column": text_column,
            "skip_bad_rows": skip_bad_rows,
            **division.given(),
            **layout.given(),
        },
    )


class _Last:
    """The texts of the largest keys among many, each key once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._smallest_first: list[int] = []
        self._texts: dict[int, str] = {}

    def add(self, key: int, text: str) -> None:
        if key in self._texts:
            return
        if len(self._smallest_first) < self._count:
            heapq.heappush(self._smallest_first, key)
        elif key > self._smallest_first[0]:
            del self._texts[heapq.heapreplace(self._smallest_first, key)]
        else:
            return
        self._texts[key] = text

    def texts(self) -> list[tuple[int, str]]:
        """Return key and text, by key."""
        return sorted(self._texts.items())


def _stream(name: str, opening: Opening, division: Division) -> Iterator[Text]:
    """Read a corpus; held out for testing is what is in its test part, or else what the hash says."""
    tested: set[bytes] = set()
    has_test_part = False
    text_column = opening.wanted.text_column
    with closing(check_corpus(name).parts(name, opening)) as parts:  # type: ignore[type-var]
        for part in parts:
            has_test_part = has_test_part or part.side == "test"
            # The column that is found in the first table is meant in all of them.
            columns = choose_text(part.table, part.name, text_column)
            text_column = text_column or ",".join(columns)
            for row in read_texts(part.table, columns, part.bad_rows):
                if part.side == "test":
                    tested.add(row.digest)
                else:
                    held_out = row.digest in tested if has_test_part else is_test_side(row.digest, division.share)
                    yield Text(row.text, row.digest, held_out)


def _hash_of(keys: np.ndarray) -> str:
    return hashlib.sha256(keys.astype(">u8").tobytes()).hexdigest()
