"""The one table of the terminal: columns leave a narrow one in a declared order, names fold, numbers stay whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from slmbench.common.formatting import UNKNOWN

#: Signs that a console of ASCII characters cannot show, and what it shows instead.
ASCII_SIGNS = str.maketrans(
    {"≤": "<=", "≥": ">=", "±": "+-", "–": "-", "×": "x", "★": "*", "◆": "+", "✗": "x", "←": "<-", "…": "~"}
)
#: A text column gets at least this width, or that of its longest word, before another column is left out for it.
_COMFORTABLE_TEXT_WIDTH = 32
#: A text column is made as narrow as this before numbers are folded.
_MIN_TEXT_WIDTH = 8
#: Between two columns: the padding of the first, and the divider.
_GAP = 2


@dataclass(frozen=True)
class TableColumn:
    """One column of a :class:`FittingTable`; made by :func:`text` and :func:`number`.

    Attributes:
        header: One or two short lines.
        folds: The cells are text, which is broken into lines where it is too long; numbers are never broken.
        leaves: On a narrow terminal, columns with a smaller number are left out first; ``None`` always stays.
        optional: Left out where no row has anything in it but a dash.
    """

    header: str
    folds: bool
    leaves: float | None = None
    optional: bool = False


def text(header: str, *, leaves: float | None = None, optional: bool = False) -> TableColumn:
    """Declare a column of text: left-aligned, and folded where it is too long."""
    return TableColumn(header, True, leaves, optional)


def number(header: str, *, leaves: float | None = None, optional: bool = False) -> TableColumn:
    """Declare a column of numbers: right-aligned, and never broken."""
    return TableColumn(header, False, leaves, optional)


def with_bounds(value: float | None, interval: tuple[float, float] | None, spec: str) -> str:
    """Write a number and the bounds of its interval as a cell: ``12.3 [11.9–12.8]``; a dash for no number.

    Args:
        value: The number.
        interval: Its interval, if there is one.
        spec: How each of the three is formatted, such as ``".3g"``.
    """
    if value is None:
        return UNKNOWN
    return format(value, spec) + (f" [{interval[0]:{spec}}–{interval[1]:{spec}}]" if interval else "")


def percent_with_bounds(value: float, interval: tuple[float, float]) -> str:
    """Write a fraction and its interval as percentages without the sign: ``87.1 [84.9–89.2]``."""
    return with_bounds(100 * value, (100 * interval[0], 100 * interval[1]), ".1f")


@dataclass(frozen=True)
class _TableRow:
    cells: tuple[str, ...]
    style: str | None
    #: A blank line follows.
    ends_section: bool = False


@dataclass
class FittingTable:
    """A table that chooses its columns when it is printed, because only then is the width known.

    Square brackets in it are no markup. Columns that are left out for want of width are named below the table.

    Attributes:
        columns: Every column that there is room for on a wide terminal.
        title: What stands above it.
        notes: Lines that stand below it.
    """

    columns: Sequence[TableColumn]
    title: str | None = None
    notes: list[str] = field(default_factory=list)
    _rows: list[_TableRow] = field(default_factory=list)

    def add_row(self, *cells: str, style: str | None = None) -> None:
        """Add a row with one cell for each of the columns.

        Args:
            *cells: What stands in it.
            style: A rich style, such as ``"dim"``.

        Raises:
            ValueError: There are more or fewer cells than columns.
        """
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self._rows.append(_TableRow(cells, style))

    def end_section(self) -> None:
        """Set the rows so far apart from those that follow."""
        if self._rows:
            last = self._rows[-1]
            self._rows[-1] = _TableRow(last.cells, last.style, ends_section=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        def shown(words: str, style: str = "") -> Text:
            return Text(words.translate(ASCII_SIGNS) if options.ascii_only else words, style)

        columns = [
            index for index, column in enumerate(self.columns) if not column.optional or self._says_something(index)
        ]
        leaving = sorted(
            (index for index in columns if self.columns[index].leaves is not None),
            key=lambda index: self.columns[index].leaves or 0,
        )
        left_out = []
        while leaving and self._needed_width(columns, _COMFORTABLE_TEXT_WIDTH) > options.max_width:
            left_out.append(leaving.pop(0))
            columns.remove(left_out[-1])
        if self.title:
            yield shown(self.title, "italic")
        # Where even the columns that always stay need more, numbers are folded too: nothing is ever cut off.
        fold_all = self._needed_width(columns, _MIN_TEXT_WIDTH) > options.max_width
        yield self._table(columns, shown, fold_all=fold_all)
        # Not the table's caption, which would be folded to the width of the table.
        for note in self.notes:
            yield shown(note, "dim")
        if left_out:
            names = [" ".join(self.columns[index].header.split()) for index in sorted(left_out)]
            yield shown(f"not shown in this width: {', '.join(names)}", "dim")

    def _says_something(self, index: int) -> bool:
        return any(row.cells[index] not in ("", UNKNOWN) for row in self._rows)

    def _needed_width(self, columns: Sequence[int], text_width: int) -> int:
        """Return the characters that these columns need, edges included, where texts fold to a width."""
        widths = []
        for index in columns:
            column = self.columns[index]
            cells = [column.header, *(row.cells[index] for row in self._rows)]
            if column.folds:
                longest_word = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
                widths.append(min(longest_word, text_width))
            else:
                widths.append(max(cell_len(line) for cell in cells for line in cell.split("\n")))
        return sum(widths) + _GAP * len(widths)

    def _table(self, columns: Sequence[int], shown: Callable[[str], Text], *, fold_all: bool) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for index in columns:
            column = self.columns[index]
            table.add_column(
                shown(column.header),
                justify="left" if column.folds else "right",
                no_wrap=not column.folds and not fold_all,
                overflow="fold",
            )
        for row in self._rows:
            cells = (shown(row.cells[index]) for index in columns)
            table.add_row(*cells, style=row.style, end_section=row.ends_section)
        return table
