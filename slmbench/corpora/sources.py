"""What a kind of corpus declares: its name, which corpora it knows, and how it opens them.

Every kind is declared once, in :data:`slmbench.corpora.known_corpora.CORPORA`; an installed package adds its own
by an entry point ``slmbench.corpora``. The least that such a package writes is a name and the rows::

    class Tickets(CorpusSource):
        name = "tickets"
        help = "Tickets of our help desk, by urgency."

        def rows(self, corpus, progress):
            yield {"text": "The printer is on fire.", "label": "urgent"}

    TICKETS = Tickets()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from slmbench.common.progress import Progress
from slmbench.corpora.columns import Wanted
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import ObjectTable, Table


class Opening:
    """One reading of a corpus: what the caller asked for, who is told of progress, which rows were left out.

    Args:
        wanted: How the tables are to be read.
        skip_bad_rows: Leave out rows that cannot be used, and count them, instead of raising.
        progress: Told what is fetched and read.
    """

    def __init__(self, wanted: Wanted, skip_bad_rows: bool, progress: Progress) -> None:
        self.wanted = wanted
        self.progress = progress
        self._skip = skip_bad_rows
        self._reports: list[BadRows] = []

    def bad_rows(self, name: str) -> BadRows:
        """Return what decides about bad rows of the table that messages call by this name."""
        self._reports.append(BadRows(name, self._skip))
        return self._reports[-1]

    @property
    def skipped(self) -> int:
        """Rows left out so far."""
        return sum(report.skipped for report in self._reports)


@dataclass(frozen=True)
class OpenPart:
    """One table of a corpus, open for reading; it is read before the next part is asked for.

    Attributes:
        name: What messages call it.
        table: Its rows.
        bad_rows: Told of rows that cannot be used.
        side: ``test`` for the test part that a dataset comes with.
        file: Name of the file where the corpus has several, else empty.
    """

    name: str
    table: Table
    bad_rows: BadRows
    side: Literal["train", "test"] = "train"
    file: str = ""


class CorpusSource:
    """A kind of corpus. Subclasses set the attributes and override ``rows`` or ``parts``.

    Attributes:
        name: Unique name; the corpus's own name where the source has one corpus only.
        help: One line that says what it is.
        extra: The extra of slmbench that reading it needs.
        needs_hub: It cannot be had without the model hub.
        fixed_columns: Its columns and labels are its own: a caller's column options are for other corpora.
    """

    name: str
    help: str
    extra: str | None = None
    needs_hub = False
    fixed_columns = False

    def matches(self, corpus: str) -> bool:
        """Say whether a corpus name, path or pattern is of this kind."""
        return corpus == self.name

    def is_available(self, corpus: str) -> bool:
        """Say whether a corpus can be read without downloading anything."""
        return True

    def short_name(self, corpus: str) -> str:
        """Return what records call a corpus."""
        return corpus

    def description(self, corpus: str) -> str:
        """Return where a corpus comes from, for records."""
        return self.help

    def location(self, corpus: str) -> str:
        """Return the name by which a corpus is found from any working folder."""
        return corpus

    def notes(self, corpus: str, *, for_test: bool) -> list[str]:
        """Return what a reader of a result has to know about a corpus.

        Args:
            corpus: Its name.
            for_test: It is only tested on.
        """
        return []

    def rows(self, corpus: str, progress: Progress) -> Iterable[dict[str, Any]]:
        """Return the reviews of a corpus, each with a text and a label under the usual column names.

        A large corpus is read twice, and a recorded one again later: the rows have to be the same every time.
        """
        raise NotImplementedError(f"{type(self).__name__} overrides neither rows() nor parts()")

    def parts(self, corpus: str, opening: Opening) -> Iterator[OpenPart]:
        """Open the tables of a corpus one after the other, the test part (where there is one) before the others.

        Args:
            corpus: A name that :meth:`matches`.
            opening: What the caller asked for.

        Yields:
            Its parts; a part is closed when the next is asked for.

        Raises:
            UsageError: There is no such corpus.
            SlmbenchError: It cannot be fetched or read.
        """
        bad_rows = opening.bad_rows(corpus)
        rows = enumerate(self.rows(corpus, opening.progress), start=1)
        yield OpenPart(corpus, ObjectTable(rows, bad_rows), bad_rows)
