"""The look that all tables on a terminal share."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text


def plain_table(*columns: str, title: str | None = None, numbers: slice = slice(0)) -> Table:
    """Return an empty table; square brackets in its headers are no markup.

    Args:
        *columns: Headers.
        title: What stands above it.
        numbers: Which of the columns hold numbers, which end on one line; none when not given.
    """
    table = Table(title=title and Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for header in columns:
        table.add_column(Text(header))
    for column in table.columns[numbers]:
        column.justify = "right"
    return table
