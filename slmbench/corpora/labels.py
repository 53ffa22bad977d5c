"""What the values in a label column mean, and whether they are classes at all."""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, Protocol

from slmbench.common.errors import UsageError
from slmbench.common.formatting import few, limit, listing
from slmbench.corpora.rows import INVISIBLE, UnusableRowError

Stars = Literal["drop", "negative", "neutral"]
STARS: tuple[Stars, ...] = ("drop", "negative", "neutral")
#: What a row without a label has in its place; it is never a class.
NO_LABEL = ""
#: So many different values may be classes of any kind.
_ALWAYS_CLASSES = 20
#: More numbers than this, some of them not whole, are a scale.
_STEPS_OF_A_SCALE = 10
#: Rows that a class has on average, at least, where there are many classes.
_ROWS_PER_CLASS = 3
_SEPARATORS = ("|", ";", ",")
_ONE_LABEL = "slmbench classifies into one label a text"
#: How tables write that there is no value, in any case.
_MISSING = frozenset(("", "nan", "null", "<na>", "n/a", "#n/a"))
#: What may be a class or say that there is none.
_MAYBE_MISSING = frozenset(("none", "na", "-", "--", "?", "unlabelled", "unlabeled"))
_WHOLE = re.compile(r"-?\d+\.0+")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


class LabelReader(Protocol):
    """How the values of a label column are read.

    Attributes:
        names: The labels in their order, where they are known before the rows are read.
    """

    names: tuple[str, ...] | None

    def read(self, value: Any) -> str | None:
        """Return a value's label, :data:`NO_LABEL`, or ``None`` for a row that is dropped on purpose.

        Raises:
            UnusableRowError: It is no label.
        """


class ClassLabels:
    """Words or numbers, each a class of its own.

    Args:
        class_names: Names of the labels 0, 1, …, where the source has them.
        names: The labels there may be.
    """

    def __init__(self, class_names: tuple[str, ...] | None, names: tuple[str, ...] | None) -> None:
        self.names = names or class_names
        self._class_names = class_names
        self._spelled = {spelling_key(name): name for name in self.names or ()}

    def read(self, value: Any) -> str | None:
        """Return a label's name; whole numbers lose their decimal point, however they are written.

        Where the labels are known, one that differs in case or unseen characters only is taken for the known one.
        """
        label = self._name(value)
        if label != NO_LABEL and self.names is not None and label not in self.names:
            label = self._spelled.get(spelling_key(label), label)
            check_known(label, self.names)
        return label

    def _name(self, value: Any) -> str:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return NO_LABEL
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int) and self._class_names is not None:
            if value == -1:  # what the library datasets writes for no label
                return NO_LABEL
            if 0 <= value < len(self._class_names):
                return self._class_names[value]
            check_known(str(value), self._class_names)
        if isinstance(value, Decimal):
            value = float(value)
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if not isinstance(value, (str, int, float)):
            raise UnusableRowError(f"the label is not a word or a number but {str(value)[:50]!r}")
        label = str(value).strip()
        if not label.isascii():
            label = unicodedata.normalize("NFC", label.translate(INVISIBLE)).strip()
        if label.lower() in _MISSING:
            return NO_LABEL
        if label in ("True", "False", "TRUE", "FALSE"):  # as other kinds of files have them
            return label.lower()
        return label.partition(".")[0] if _WHOLE.fullmatch(label) else label


class StarLabels:
    """Stars from 1 to 5 as polarity.

    Args:
        policy: What three stars are.
        names: The labels there may be; those of the policy when ``None``.
    """

    def __init__(self, policy: Stars, names: tuple[str, ...] | None) -> None:
        own = ("negative", "neutral", "positive") if policy == "neutral" else ("negative", "positive")
        self.names: tuple[str, ...] | None = names or own
        self._policy = policy

    def read(self, value: Any) -> str | None:
        """Return the polarity of a number of stars."""
        try:
            stars = float(value)
        except (TypeError, ValueError):
            stars = math.nan
        if stars not in {1, 2, 3, 4, 5}:
            raise UnusableRowError(f"the stars are {str(value)[:50]!r}, not a whole number from 1 to 5")
        if stars == 3 and self._policy == "drop":
            return None
        label = self._policy if stars == 3 else "negative" if stars < 3 else "positive"
        check_known(label, self.names)
        return label


class BinnedLabels:
    """Numbers of a scale, cut into classes.

    Args:
        edges: Where it is cut, ascending; a number that equals an edge is in the upper class.
    """

    def __init__(self, edges: Sequence[float]) -> None:
        if not edges or list(edges) != sorted(set(edges)) or not all(map(math.isfinite, edges)):
            raise UsageError(f"--bins has to be ascending numbers, not {', '.join(map(limit, edges)) or 'none'}")
        self._edges = list(edges)
        inner = [f"{limit(low)} to {limit(high)}" for low, high in pairwise(edges)]
        self.names: tuple[str, ...] | None = (f"below {limit(edges[0])}", *inner, f"{limit(edges[-1])} and above")

    def read(self, value: Any) -> str | None:
        """Return the class that a number is in."""
        if value is None or str(value).strip().lower() in _MISSING:
            return NO_LABEL
        try:
            number = _number(value)
        except (TypeError, ValueError):
            raise UnusableRowError(
                f"the label is not a number but {str(value)[:50]!r}, and --bins cuts numbers"
            ) from None
        return NO_LABEL if math.isnan(number) else (self.names or ())[bisect_right(self._edges, number)]


def check_known(label: str, known: tuple[str, ...] | None) -> None:
    """Raise when a label is none of those there may be."""
    if known is not None and label not in known:
        if joins(label, known):
            raise UnusableRowError(f"several labels in one field ('{label[:50]}'): {_ONE_LABEL}")
        raise UnusableRowError(f"unknown label '{label[:50]}'; the labels are: {few(known)}")


def joins(label: str, known: Collection[str]) -> bool:
    """Say whether a value is several known labels in one field: ``sad|angry``."""
    return any(_joined_by(separator, label, known) for separator in _SEPARATORS)


def _joined_by(separator: str, label: str, known: Collection[str]) -> bool:
    return separator in label and all(part.strip() in known for part in label.split(separator))


def several_in_one_field(source: str, column: str, label: str) -> UsageError:
    """Return the error of a column whose fields hold several labels."""
    return UsageError(
        f"{source}: column '{column}' holds several labels in one field ('{label[:50]}'): {_ONE_LABEL}; name a column"
        " with one label (--label-column)"
    )


def check_classes(source: str, column: str, labels: Collection[str], rows: int, others: Sequence[str]) -> None:
    """Check that the values found in a label column are classes.

    Args:
        source: What to call the table in a message.
        column: The label column.
        labels: The different labels found.
        rows: How many rows have one.
        others: The other columns, one of which may have been meant.

    Raises:
        UsageError: They are numbers of a scale, several labels in one field, or as good as unique.
    """
    if joined := _several_in_one(labels):
        raise several_in_one_field(source, column, joined)
    numbers = _numbers(labels)
    if numbers is not None and (
        (len(numbers) > _STEPS_OF_A_SCALE and any(not number.is_integer() for number in numbers))
        or (len(numbers) > _ALWAYS_CLASSES and len(numbers) * _ROWS_PER_CLASS > rows)
    ):
        middle = sorted(numbers)[len(numbers) // 2]
        raise UsageError(
            f"{source}: column '{column}' is a scale, not classes: {len(numbers):,} different numbers from"
            f" {limit(min(numbers))} to {limit(max(numbers))}; cut it with --bins, such as --bins {limit(middle)}"
        )
    if len(labels) > _ALWAYS_CLASSES and len(labels) * _ROWS_PER_CLASS > rows:
        there = f"; the other columns are: {few(others)}" if others else ""
        raise UsageError(
            f"{source}: '{column}' is not a label column: {len(labels):,} different values in {rows:,} rows; name"
            f" another with --label-column{there}"
        )


def several_labels(source: str, columns: Sequence[str]) -> UsageError:
    """Return the error of a table in which every label has a column of its own."""
    named = listing(list(columns[:20]))
    return UsageError(
        f"{source} has several labels a text, one in each of the columns {named} (0 or 1): {_ONE_LABEL}; name one of"
        " them with --label-column to learn that one"
    )


def label_order(found: Collection[str]) -> list[str]:
    """Return label names in their order: whole numbers by value, other names alphabetically."""
    try:
        return sorted(found, key=int)
    except ValueError:
        return sorted(found)


def spelling_key(label: str) -> str:
    """Return what is equal for labels that differ in case, white space and unseen characters only."""
    return " ".join(unicodedata.normalize("NFC", label.translate(INVISIBLE)).split()).casefold()


def one_spelling(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the labels that another spelling of them stands for: of each the most frequent.

    Args:
        counts: How many rows have each label.
    """
    groups: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups.setdefault(spelling_key(label), []).append(label)
    return {label: first for first, *others in groups.values() for label in others}


def maybe_missing(labels: Collection[str]) -> list[str]:
    """Return the labels that may be meant to say that there is none."""
    return sorted(label for label in labels if label.lower() in _MAYBE_MISSING)


def is_number(text: str) -> bool:
    """Say whether a text is a number and nothing else."""
    if len(text) > 40:  # most texts: not looked at further
        return False
    try:
        _number(text)
    except ValueError:
        return False
    return True


def _number(value: Any) -> float:
    """Return a number, whose decimals may come after a comma.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
        value = value.replace(",", ".")
    return float(value)


def _numbers(labels: Collection[str]) -> list[float] | None:
    try:
        return [_number(label) for label in labels]
    except ValueError:
        return None


def _several_in_one(labels: Collection[str]) -> str | None:
    """Return a value that holds several labels: a written list, or other values of the column joined by a sign."""
    lists = [label for label in labels if label[:1] + label[-1:] in ("[]", "{}", "()")]
    if len(lists) * 2 > len(labels):
        return max(lists, key=len)
    for separator in _SEPARATORS:
        alone = {label for label in labels if separator not in label}
        joined = [label for label in labels if _joined_by(separator, label, alone)]
        if len(joined) > 1:
            return min(joined)
    return None
