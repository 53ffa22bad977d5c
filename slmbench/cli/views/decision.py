"""The decision table for a terminal: as many columns as fit, the least important left out first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text

from slmbench.common.formatting import bare_megabytes, half_width, listing, parameters, scaled, three_digits
from slmbench.compare.axes import front_phrase
from slmbench.compare.constraints import limits_phrase
from slmbench.compare.sentences import measured_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from slmbench.records import ComparisonRecord, Row


@dataclass(frozen=True)
class Column:
    """One column: its header, how a row fills it, and how soon it goes when the terminal is narrow.

    Attributes:
        header: Two short lines at most.
        cell: From a measured row to its text; "–" stands for what is not known.
        leaves: Columns with a smaller number are left out first; ``None`` always stays.
        needs: The quantity without which, in every row, there is no such column.
    """

    header: str
    cell: Callable[[Row], str]
    leaves: float | None = None
    needs: Callable[[Row], float | None] | None = None


def _known(value: float | None, write: Callable[[float], str]) -> str:
    return "–" if value is None else write(value)


def _accuracy(row: Row) -> str:
    if row.accuracy is None or row.accuracy_ci95 is None:
        return "–"
    return f"{row.accuracy * 100:.1f} ±{half_width(row.accuracy_ci95) * 100:.1f}"


def _megabytes(value: float | None) -> str:
    return "–" if value is None else bare_megabytes(int(value))


COLUMNS = (
    Column("params", lambda row: _known(row.total_parameters, lambda count: parameters(int(count))), 3),
    Column("size\nMB", lambda row: _megabytes(row.size_bytes), 6),
    Column("accuracy\n%", _accuracy),
    Column("macro\nF1", lambda row: _known(row.macro_f1, lambda f1: f"{f1 * 100:.1f}"), 2),
    Column("p50\nms", lambda row: _known(row.p50_ms, three_digits)),
    Column("p95\nms", lambda row: _known(row.p95_ms, three_digits), 7),
    Column("reviews\n/s", lambda row: _known(row.reviews_per_second, three_digits), 4),
    Column("peak\nMB", lambda row: _megabytes(row.peak_bytes), 5),
    Column("cold\nms", lambda row: _known(row.cold_start_ms, three_digits), 1),
    Column(
        "J per\n1,000",
        lambda row: _known(scaled(row.joules_per_review, 1e3), three_digits),
        4.5,
        lambda row: row.joules_per_review,
    ),
)


#: For consoles that cannot show them.
_ASCII = str.maketrans({"≤": "<=", "≥": ">=", "±": "+-", "–": "-", "×": "x"})


class Marks(NamedTuple):
    """The signs before a row."""

    recommended: str
    front: str
    out: str


def decision_table(record: ComparisonRecord) -> Table:
    """Make the table that the command line prints.

    It fits itself to the console it is printed on: columns leave in the order cold start, macro-F1,
    parameters, reviews/s, energy (which is there where some row knows it), peak memory, size, p95. The
    recommended row and those on the Pareto front are marked; a failed cell is a row whose reason stands below the
    table.

    Args:
        record: A comparison.

    Returns:
        A table with a caption that explains its marks and names limits, baseline and machines.
    """
    return _FittingTable(record)


class _FittingTable(Table):
    """A table that chooses its columns when it is printed, because only then is the width known."""

    def __init__(self, record: ComparisonRecord) -> None:
        super().__init__()
        self._record = record

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._fitted(console, options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._fitted(console, options))

    def _fitted(self, console: Console, options: ConsoleOptions) -> Table:
        columns = _columns(self._record)
        for leaving in [
            None,
            *sorted((c for c in columns if c.leaves is not None), key=lambda c: c.leaves or 0),
        ]:
            if leaving is not None:
                columns.remove(leaving)
            table = _table(self._record, columns, ascii_only=options.ascii_only)
            # The minimum counts the longest word of a name, so names fold before a column leaves.
            if Measurement.get(console, options.update(max_width=10_000), table).minimum <= options.max_width:
                break
        return table


def _columns(record: ComparisonRecord) -> list[Column]:
    """Return the columns that there are for these rows, if the terminal is wide enough."""
    return [
        column
        for column in COLUMNS
        if column.needs is None or any(column.needs(row) is not None for row in record.rows)
    ]


def _table(record: ComparisonRecord, columns: Sequence[Column], *, ascii_only: bool) -> Table:
    marks = Marks("*", "+", "x") if ascii_only else Marks("★", "◆", "✗")
    tags = record.machine_tags
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=_text(_caption(record, tags, marks, columns), ascii_only),
        caption_justify="left",
        caption_style=Style(dim=True),
    )
    table.add_column("", no_wrap=True)
    if tags:
        table.add_column("on", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("form", no_wrap=True)
    for column in columns:
        table.add_column(column.header, justify="right", no_wrap=True)
    previous = record.rows[0].machine if record.rows else None
    for row in record.rows:
        if row.machine != previous:
            table.add_section()
            previous = row.machine
        mark = (marks.recommended if row.recommended else "") + (marks.front if row.pareto else "")
        if row.failure is not None or row.refusal is not None:
            mark = marks.out
        named = [mark, *([tags.get(row.machine or "", "")] if tags else [])]
        named += [f"{row.name} ({row.variant})" if row.variant else row.name, row.form or "–"]
        if row.failure is not None:
            values = ["failed" if column.header.startswith("accuracy") else "" for column in columns]
        else:
            values = [column.cell(row) for column in columns]
        table.add_row(*(_text(value, ascii_only) for value in [*named, *values]), style=_style(row))
    return table


def _text(words: str, ascii_only: bool) -> Text:
    """Return words without markup: names and reasons may hold square brackets."""
    return Text(words.translate(_ASCII) if ascii_only else words)


def _style(row: Row) -> str:
    if row.failure is not None:
        return "red"
    if row.recommended:
        return "bold green"
    return "" if row.pareto else "dim" if row.refusal else ""


def _caption(record: ComparisonRecord, tags: dict[str, str], marks: Marks, columns: Sequence[Column]) -> str:
    lines = list(record.notes)
    if any(row.recommended for row in record.rows):
        limits = f" within {limits_phrase(record.constraints)}" if record.constraints else ""
        lines.append(f"{marks.recommended} recommended{limits}")
    if any(row.pareto for row in record.rows):
        phrases = dict.fromkeys(front_phrase(decision.front_axes) for decision in record.decisions)
        lines.append(f"{marks.front} Pareto front: {'; or '.join(phrases)}")
    elif any(row.profile is not None and row.refusal is None for row in record.rows):
        lacking = dict.fromkeys(listing(decision.front_axes) for decision in record.decisions)
        lines.append(f"no Pareto front: no row has each of {'; or '.join(lacking)}")
    measured = [row for row in record.rows if row.failure is None]
    if measured:
        lines.append(measured_on(measured))
    lines += [f"{tag} = {record.machines[machine]['name']}" for machine, tag in tags.items()]
    if not tags:
        lines += [f"machine: {facts['name']}" for facts in record.machines.values()]
    left_out = [column for column in _columns(record) if column not in columns]
    if left_out:
        names = [column.header.replace("\n", " ").replace(" MB", "") for column in left_out]
        lines.append(f"not shown in this width: {', '.join(names)}")
    for failure in dict.fromkeys(row.failure for row in record.rows if row.failure is not None):
        rows = [row.label for row in record.rows if row.failure == failure]
        lines.append(f"{marks.out} failed: {listing(rows)}: {failure}")
    for reason in dict.fromkeys(row.unprofiled for row in measured if row.unprofiled is not None):
        rows = [row.label for row in measured if row.unprofiled == reason]
        lines.append(f"accuracy only: {listing(rows)}: {reason}")
    lines += [f"{marks.out} refused: {row.label}: {row.refusal}" for row in measured if row.refusal is not None]
    return "\n".join(lines)


def baseline_lines(record: ComparisonRecord) -> list[Text]:
    """Say how each row stands against the baseline, one line a row; nothing without a baseline."""
    if record.baseline is None:
        return []
    lines = [f"against the baseline {record.baseline.against}:"]
    lines += [check.sentence for check in record.baseline.checks]
    return [Text(line) for line in [*lines, *record.baseline.notes]]
