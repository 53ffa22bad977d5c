"""What decides about the side of a review instead of its text: the group it belongs to, or its time."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from slmbench.corpora.rows import UnusableRowError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Times are kept as microseconds from 2^63 before the epoch on, so that earlier years are numbers too.
_ZERO = 2**63
#: Numbers in this range are years; larger ones are seconds since 1970, from 10^11 on (the year 5138) milliseconds.
_YEARS = range(1000, 10_000)
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True)
class MarkColumn:
    """The column that decides about the split.

    Attributes:
        name: Its name.
        kind: Whether it holds groups or times.
    """

    name: str
    kind: Literal["group", "time"]

    def read(self, value: Any, digest: bytes) -> int:
        """Return the mark of a row, from 0 to 2^64 - 1: a hash of its group, or its time.

        Args:
            value: Of the cell.
            digest: Hash of the row's text; a row without a group is a group of its own.

        Raises:
            UnusableRowError: It is not a time.
        """
        if self.kind == "time":
            return _ZERO + _microseconds(value)
        empty = value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip()
        group = digest if empty else str(value).strip().encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.sha256(group).digest()[:8], "big")


def date_of(mark: int) -> str:
    """Return the time of a mark, to the day where it is midnight."""
    when = _EPOCH + (mark - _ZERO) * _MICROSECOND
    return when.date().isoformat() if when.time() == _EPOCH.time() else when.isoformat(timespec="seconds")


def _microseconds(value: Any) -> int:
    """Return an ISO date or time (UTC where it names no zone), a year or seconds since 1970 as microseconds.

    Raises:
        UnusableRowError: It is none of those.
    """
    try:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            number = _number(value)
            if number is None:
                when = datetime.fromisoformat(str(value).strip())
            elif number in _YEARS:
                when = datetime(int(number), 1, 1)
            else:
                when = _EPOCH + timedelta(seconds=number / (1e3 if number >= _MILLISECONDS_FROM else 1))
        else:  # Parquet has times of its own
            when = datetime.fromisoformat(value.isoformat())
        return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    except (AttributeError, ValueError, OverflowError):
        raise UnusableRowError(
            f"its time is {str(value)[:50]!r}: give an ISO date such as 2024-05-31, a year, or seconds since 1970"
        ) from None


def _number(value: str | float) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
