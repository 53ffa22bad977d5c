"""Which column of a table is the text and which the label: one finder for every command; and its rows, read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import few
from slmbench.corpora.labels import (
    NO_LABEL,
    STARS,
    BinnedLabels,
    ClassLabels,
    LabelReader,
    StarLabels,
    Stars,
    several_labels,
)
from slmbench.corpora.marks import MarkColumn
from slmbench.corpora.rows import (
    INVISIBLE,
    MAX_ROW_BYTES,
    BadRows,
    Review,
    UnusableRowError,
    text_digest,
    without_half_pairs,
)
from slmbench.corpora.tables import Table, TableFormat

TEXT_COLUMNS = (
    *("text", "review", "sentence", "content", "reviewText", "review_body"),
    *("review_text", "body", "comment", "message", "tweet", "post", "document", "utterance"),
)
LABEL_COLUMNS = (
    *("label", "sentiment", "category", "class", "stars", "overall", "star_rating"),
    *("labels", "target", "intent", "polarity", "rating", "score"),
)
#: Star column of the two Amazon families (McAuley's JSON lines, the US TSV files) and their text columns.
_AMAZON = {"overall": ("reviewText", "summary"), "star_rating": ("review_body", "review_headline")}
#: Column names, in lower case, that tell a header line from a row.
KNOWN_COLUMNS = frozenset(
    name.lower() for name in (*TEXT_COLUMNS, *LABEL_COLUMNS, *(n for names in _AMAZON.values() for n in names))
)
_BROKEN = "it is not in UTF-8 (broken characters); the encoding of a CSV file is named with --encoding"
#: Rows that are looked at to tell several labels a text.
_ROWS_FOR_LABELS = 100


@dataclass(frozen=True)
class Wanted:
    """How a caller wants a corpus to be read; ``None`` means: find out.

    Attributes:
        text_column: Column of the text; several with commas between them, whose texts are joined.
        label_column: Column of the label.
        stars: What three-star reviews of an Amazon file are.
        labels: The labels there may be.
        bins: Where a column of numbers is cut into classes.
        layout: How the files are laid out.
        trained_text: The text columns that a classifier was trained on: they are taken where ``text_column`` is not
            given and the table has all of them.
        marks: The column of groups or times that decides about the split.
    """

    text_column: str | None = None
    label_column: str | None = None
    stars: Stars = "drop"
    labels: tuple[str, ...] | None = None
    bins: tuple[float, ...] | None = None
    layout: TableFormat = field(default_factory=TableFormat)
    trained_text: str | None = None
    marks: MarkColumn | None = None


@dataclass(frozen=True)
class Reading:
    """How a table is read.

    Attributes:
        text_columns: Columns of the text; the texts of several are joined with line feeds.
        label_column: Column of the label.
        labels: What its values mean.
        note: Which columns were guessed, for people; empty where the caller has named them.
        marks: The column of groups or times that decides about the split.
    """

    text_columns: tuple[str, ...]
    label_column: str
    labels: LabelReader
    note: str = ""
    marks: MarkColumn | None = None

    @property
    def are_stars(self) -> bool:
        """Whether the labels are stars of an Amazon file."""
        return isinstance(self.labels, StarLabels)


def choose(table: Table, source: str, wanted: Wanted) -> Reading:
    """Choose the columns of a table.

    Args:
        table: The table, of which only the names of columns and classes are looked at.
        source: What to call it in a message.
        wanted: Columns and labels the caller has named.

    Returns:
        How to read it. Stars become polarity when the table has the columns of an Amazon review file and no
        other label column is named.

    Raises:
        UsageError: A named column is not there, none is named and none can be guessed, the table has several labels a
            text, or there is no such policy for stars.
    """
    if wanted.stars not in STARS:
        raise UsageError(f"three-star reviews can be: {', '.join(STARS)}; '{wanted.stars}' is none of them")
    star_column = _star_column(table.columns)
    label_column = _column(table, source, wanted.label_column or star_column, LABEL_COLUMNS, "label")
    are_stars = star_column is not None and label_column == star_column and wanted.bins is None
    guesses = _AMAZON[label_column] if are_stars else TEXT_COLUMNS
    named = wanted.text_column or _trained(table, wanted.trained_text)
    text_columns = _text_columns(table, source, named, guesses)
    if label_column in text_columns:
        raise UsageError(f"{source}: '{label_column}' cannot be both the text and the label column")
    labels: LabelReader
    if wanted.bins is not None:
        labels = BinnedLabels(wanted.bins)
    elif are_stars:
        labels = StarLabels(wanted.stars, wanted.labels)
    else:
        labels = ClassLabels(table.class_names.get(label_column), wanted.labels)
    guessed = {"text": text_columns[0]} if named is None else {}
    guessed |= {"label": label_column} if wanted.label_column is None else {}
    marks = wanted.marks and replace(wanted.marks, name=_column(table, source, wanted.marks.name, (), "group"))
    others = [column for column in table.columns if column not in (*text_columns, label_column)]
    return Reading(text_columns, label_column, labels, _note_of(guessed, others), marks)


def choose_text(table: Table, source: str, named: str | None, trained: str | None = None) -> tuple[str, ...]:
    """Choose the columns of the text where no labels are wanted, so that there need not be any.

    Args:
        table: The table, of which only the column names are looked at.
        source: What to call it in a message.
        named: The column the caller has named, or several with commas between them.
        trained: The columns that a classifier was trained on: they are taken where the table has all of them.

    Returns:
        Their names; that of the only column there is, whatever it is called.

    Raises:
        UsageError: The named column is not there, or none is named and none can be guessed.
    """
    named = named or _trained(table, trained)
    if named is None and len(table.columns) == 1:
        return (table.columns[0],)
    guesses = _AMAZON.get(_star_column(table.columns) or "", ())
    return _text_columns(table, source, named, (*guesses, *TEXT_COLUMNS))


def _trained(table: Table, columns: str | None) -> str | None:
    """Return the columns that a classifier was trained on, where a table has all of them."""
    there = {column.lower() for column in table.columns}
    if columns is None or not (
        columns.lower() in there or {part.strip().lower() for part in columns.split(",")} <= there
    ):
        return None
    return columns


def _note_of(guessed: dict[str, str], others: Sequence[str]) -> str:
    if not guessed:
        return ""
    said = " and ".join(f"'{column}' as the {role}" for role, column in guessed.items())
    return f"columns guessed: {said}" + (f" (others: {few(others)})" if others else "")


def _star_column(columns: Sequence[str]) -> str | None:
    """Return the column of stars when a table has the columns of an Amazon review file."""
    return next(
        (star for star, texts in _AMAZON.items() if star in columns and any(text in columns for text in texts)),
        None,
    )


def _text_columns(table: Table, source: str, named: str | None, guesses: Sequence[str]) -> tuple[str, ...]:
    if named is None or named in table.columns or "," not in named:
        return (_column(table, source, named, guesses, "text"),)
    parts = [part.strip() for part in named.split(",")]
    return tuple(_column(table, source, part, guesses, "text") for part in parts if part)


def _column(table: Table, source: str, named: str | None, guesses: Sequence[str], role: str) -> str:
    columns = table.columns
    if not columns:
        raise UsageError(f"{source}: no column looks like the {role}, as it has no rows or only empty ones")
    there = few(columns)
    if named is not None:
        if (found := _called(named, columns)) is None:
            raise UsageError(f"{source} has no column '{named}'; its columns are: {there}{table.advice}")
        return _once(table, source, found)
    # The last part of a column's name counts, too: that of a nested object.
    inner = {column: column.rpartition(".")[2] for column in columns if "." in column}
    for names in ({column: column for column in columns}, inner):
        for guess in guesses:
            if (found := _called(guess, list(names.values()))) is not None:
                return _once(table, source, next(column for column, name in names.items() if name == found))
    if role in table.guesses:
        return table.guesses[role]
    if role == "label" and (switches := _switches(table)):
        raise several_labels(source, switches)
    raise UsageError(
        f"{source}: no column looks like the {role}; name one with --{role}-column, out of: {there}{table.advice}"
    )


def _called(name: str, columns: Sequence[str]) -> str | None:
    """Return the column of a name: as it is written, else in any case, else with other signs between its words."""
    if name in columns:
        return name
    for alike in (str.lower, _letters):
        if alike(name) in (found := {alike(column): column for column in reversed(columns)}):
            return found[alike(name)]
    return None


def _letters(name: str) -> str:
    """Return the letters and digits of a name, in lower case: ``Review Text`` and ``review_text`` have the same."""
    return "".join(filter(str.isalnum, name.lower())) or name


def _once(table: Table, source: str, column: str) -> str:
    """Return a column, after checking that there is one of the name only."""
    if column in table.repeated:
        raise UsageError(f"{source} has several columns called '{column}': rename all but the one that is meant")
    return column


def _switches(table: Table) -> list[str]:
    """Return the columns of a table that hold 0 and 1 only, where there are several."""
    values: list[set[str]] = [set() for _ in table.columns]
    with suppress(SlmbenchError):  # a bad row: that no column is the label is the greater trouble
        for _, row in islice(table.cells(table.columns), _ROWS_FOR_LABELS):
            for seen, value in zip(values, row, strict=True):
                seen.add(str(value).lower())
    found = [
        column
        for column, seen in zip(table.columns, values, strict=True)
        if seen and seen <= {"0", "1", "0.0", "1.0", "true", "false"}
    ]
    return found if len(found) > 1 else []


def read_rows(table: Table, source: str, reading: Reading, bad_rows: BadRows, notes: list[str]) -> Iterator[Review]:
    """Yield the reviews of a table; those without a label have :data:`NO_LABEL`.

    Args:
        table: The table.
        source: What to call it in a message.
        reading: How to read it.
        bad_rows: Told of rows that cannot be used.
        notes: Gets a line when three-star reviews were dropped.

    Yields:
        Usable rows, in the order of the table.

    Raises:
        UsageError: The column holds lists of labels.
        SlmbenchError: A row cannot be used and was not to be skipped.
    """
    dropped_stars = 0
    any_read = False
    marks = reading.marks
    columns = (*reading.text_columns, reading.label_column, *([marks.name] if marks else []))
    for number, (*raw_texts, raw_label, raw_mark) in (
        (number, cells if marks else (*cells, None)) for number, cells in table.cells(columns)
    ):
        if not any_read and isinstance(raw_label, (list, tuple)):
            raise UsageError(
                f"{source}: column '{reading.label_column}' holds lists of labels ({str(raw_label)[:50]}): slmbench"
                " classifies into one label a text; name a column with one label (--label-column)"
            )
        try:
            label = reading.labels.read(raw_label)
            if label is None:
                dropped_stars += 1
                continue
            text = _text(raw_texts)
            digest = text_digest(text)
            label = without_half_pairs(label)
            label.encode()
            mark = marks.read(raw_mark, digest) if marks else None
        except UnicodeEncodeError:
            bad_rows.report(number, _BROKEN)
        except UnusableRowError as error:
            bad_rows.report(number, str(error))
        else:
            any_read = True
            yield Review(number, text, label, digest, mark)
    if dropped_stars:
        notes.append(f"{dropped_stars} three-star reviews dropped")


def read_texts(table: Table, columns: Sequence[str], bad_rows: BadRows) -> Iterator[Review]:
    """Yield the reviews of a table without looking for labels.

    Args:
        table: The table.
        columns: Of the text.
        bad_rows: Told of rows that cannot be used.

    Yields:
        Usable rows, in the order of the table, without a label.

    Raises:
        SlmbenchError: A row cannot be used and was not to be skipped.
    """
    for number, raw_texts in table.cells(columns):
        try:
            text = _text(raw_texts)
            digest = text_digest(text)
        except UnicodeEncodeError:
            bad_rows.report(number, _BROKEN)
        except UnusableRowError as error:
            bad_rows.report(number, str(error))
        else:
            yield Review(number, text, NO_LABEL, digest)


def join_texts(values: Sequence[Any]) -> Any:
    """Return the text of a row: the value of the only column, or those of several joined with line feeds.

    Args:
        values: Of the text columns. Where there are several, missing and empty ones are left out.
    """
    if len(values) == 1:
        return values[0]
    return "\n".join(str(value) for value in values if not is_missing(value) and str(value).strip())


def is_missing(value: Any) -> bool:
    """Say whether a table has no value in a cell."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_empty(text: str) -> bool:
    """Say whether a text has nothing but white space and characters without a width."""
    rest = text.lstrip()
    return not rest or (ord(rest[0]) in INVISIBLE and not rest.translate(INVISIBLE).strip())


def _text(values: Sequence[Any]) -> str:
    value = join_texts(values)
    if not isinstance(value, str):
        if is_missing(value):
            raise UnusableRowError("there is no text")
        raise UnusableRowError(f"the text is not a string but {str(value)[:50]!r}")
    if len(value) > MAX_ROW_BYTES:
        raise UnusableRowError(f"it is longer than {MAX_ROW_BYTES // 1_000_000} MB; is this one review a row?")
    if _is_empty(value):
        raise UnusableRowError("the text is empty")
    if value.strip().lower() == "nan":
        raise UnusableRowError("the text is NaN")
    return without_half_pairs(value)
