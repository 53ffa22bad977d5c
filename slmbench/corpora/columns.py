"""Which column is the text, which the label, and what a label's value means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from slmbench.common.errors import UsageError
from slmbench.corpora.rows import MAX_ROW_BYTES, Row, text_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slmbench.corpora.rows import BadRows
    from slmbench.corpora.tables import Table

Stars = Literal["drop", "negative", "neutral"]
STARS: tuple[Stars, ...] = ("drop", "negative", "neutral")

TEXT_COLUMNS = ("text", "review", "sentence", "content", "reviewText", "review_body")
LABEL_COLUMNS = ("label", "sentiment", "category", "class", "stars", "overall", "star_rating")
_BROKEN = "it is not in UTF-8 (broken characters)"
#: Star column of the two Amazon families (McAuley's JSON lines, the US TSV files) and their text columns.
_AMAZON = {"overall": ("reviewText", "summary"), "star_rating": ("review_body", "review_headline")}
_STAR_NAMES: dict[str, tuple[str, ...]] = {
    "drop": ("negative", "positive"),
    "negative": ("negative", "positive"),
    "neutral": ("negative", "neutral", "positive"),
}


class _UnusableError(Exception):
    """What is wrong with a row; becomes an error with its number, or a count."""


@dataclass(frozen=True)
class Wanted:
    """How a caller wants a table to be read; ``None`` means: find out."""

    text_column: str | None = None
    label_column: str | None = None
    stars: Stars = "drop"
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reading:
    """How a table is read.

    ``label_names`` is set when the labels are known before the rows are read; ``class_names`` maps integer
    labels to names where the source has them.
    """

    text_column: str
    label_column: str
    are_stars: bool
    wanted: Wanted
    label_names: tuple[str, ...] | None
    class_names: tuple[str, ...] | None = None


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
        UsageError: A named column is not there, none is named and none can be guessed, or there is no such
            policy for stars.
    """
    columns = table.columns
    if wanted.stars not in STARS:
        raise UsageError(f"three-star reviews can be: {', '.join(STARS)}; '{wanted.stars}' is none of them")
    star_column = _star_column(columns)
    label = wanted.label_column or star_column
    label_column = _column(columns, source, label, LABEL_COLUMNS, "label")
    are_stars = star_column is not None and label_column == star_column
    guesses = _AMAZON[label_column] if are_stars else TEXT_COLUMNS
    text_column = _column(columns, source, wanted.text_column, guesses, "text")
    if text_column == label_column:
        raise UsageError(f"{source}: '{text_column}' cannot be both the text and the label column")
    names = table.class_names.get(label_column)
    known = wanted.labels or (_STAR_NAMES[wanted.stars] if are_stars else names)
    return Reading(text_column, label_column, are_stars, wanted, known, names)


def choose_text(table: Table, source: str, named: str | None) -> str:
    """Choose the column of the text where no labels are wanted, so that there need not be any.

    Args:
        table: The table, of which only the column names are looked at.
        source: What to call it in a message.
        named: The column the caller has named.

    Returns:
        The column's name; that of the only column there is, whatever it is called.

    Raises:
        UsageError: The named column is not there, or none is named and none can be guessed.
    """
    columns = table.columns
    if named is None and len(columns) == 1:
        return columns[0]
    guesses = _AMAZON.get(_star_column(columns) or "", ())
    return _column(columns, source, named, (*guesses, *TEXT_COLUMNS), "text")


def _star_column(columns: Sequence[str]) -> str | None:
    """Return the column of stars when a table has the columns of an Amazon review file."""
    return next(
        (star for star, texts in _AMAZON.items() if star in columns and any(text in columns for text in texts)),
        None,
    )


def _column(columns: Sequence[str], source: str, named: str | None, guesses: Sequence[str], role: str) -> str:
    there = ", ".join(columns) or "none"
    if named is not None:
        if named in columns:
            return named
        raise UsageError(f"{source} has no column '{named}'; its columns are: {there}")
    by_lower = {column.lower(): column for column in reversed(columns)}
    for guess in guesses:
        if guess.lower() in by_lower:
            return by_lower[guess.lower()]
    raise UsageError(f"{source}: no column looks like the {role}; name one with --{role}-column, out of: {there}")


def read_rows(table: Table, reading: Reading, bad_rows: BadRows, notes: list[str]) -> Iterator[Row]:
    """Yield the labelled reviews of a table.

    Args:
        table: The table.
        reading: How to read it.
        bad_rows: Told of rows that cannot be used.
        notes: Gets a line when three-star reviews were dropped.

    Yields:
        Usable rows, in the order of the table.

    Raises:
        SlmbenchError: A row cannot be used and was not to be skipped.
    """
    dropped_stars = 0
    for number, (raw_text, raw_label) in table.cells((reading.text_column, reading.label_column)):
        try:
            if reading.are_stars:
                label = _polarity(raw_label, reading.wanted.stars)
                if label is None:
                    dropped_stars += 1
                    continue
            else:
                label = _label(raw_label, reading.class_names)
            _check_known(label, reading.label_names)
            text = _text(raw_text)
            digest = text_digest(text)
            label.encode()
        except UnicodeEncodeError:
            bad_rows.report(number, _BROKEN)
        except _UnusableError as error:
            bad_rows.report(number, str(error))
        else:
            yield Row(number, text, label, digest)
    if dropped_stars:
        notes.append(f"{dropped_stars} three-star reviews dropped")


def read_texts(table: Table, column: str, bad_rows: BadRows) -> Iterator[tuple[str, bytes]]:
    """Yield the reviews of a table without their labels.

    Args:
        table: The table.
        column: Of the text.
        bad_rows: Told of rows that cannot be used.

    Yields:
        Text and SHA-256 of the normalised text, in the order of the table.

    Raises:
        SlmbenchError: A row cannot be used and was not to be skipped.
    """
    for number, (raw_text,) in table.cells((column,)):
        try:
            text = _text(raw_text)
            digest = text_digest(text)
        except UnicodeEncodeError:
            bad_rows.report(number, _BROKEN)
        except _UnusableError as error:
            bad_rows.report(number, str(error))
        else:
            yield text, digest


def _check_known(label: str, known: tuple[str, ...] | None) -> None:
    if known is not None and label not in known:
        raise _UnusableError(f"unknown label '{label[:50]}'; the labels are: {', '.join(known)}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            raise _UnusableError("there is no text")
        raise _UnusableError(f"the text is not a string but {str(value)[:50]!r}")
    if len(value) > MAX_ROW_BYTES:
        raise _UnusableError(f"it is longer than {MAX_ROW_BYTES // 1_000_000} MB; is this one review a row?")
    if not value or value.isspace():
        raise _UnusableError("the text is empty")
    if value.strip().lower() == "nan":
        raise _UnusableError("the text is NaN")
    return value


def _label(value: Any, class_names: tuple[str, ...] | None) -> str:
    """Return a label's name; whole numbers lose their decimal point, however they are written."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise _UnusableError("there is no label")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and class_names is not None:
        if 0 <= value < len(class_names):
            return class_names[value]
        _check_known(str(value), class_names)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, (str, int, float)):
        raise _UnusableError(f"the label is not a word or a number but {str(value)[:50]!r}")
    label = str(value).strip()
    if not label or label.lower() == "nan":
        raise _UnusableError("there is no label")
    return label


def _polarity(value: Any, policy: Stars) -> str | None:
    try:
        stars = float(value)
    except (TypeError, ValueError):
        stars = math.nan
    if stars not in {1, 2, 3, 4, 5}:
        raise _UnusableError(f"the stars are {str(value)[:50]!r}, not a whole number from 1 to 5")
    if stars == 3:
        return None if policy == "drop" else policy
    return "negative" if stars < 3 else "positive"


def order_labels(found: set[str]) -> list[str]:
    """Return label names in their order: whole numbers by value, other names alphabetically."""
    try:
        return sorted(found, key=int)
    except ValueError:
        return sorted(found)
