"""Shares and times that a person types: ``1%``, ``10m``, and what a bare number means."""

from __future__ import annotations

import math
import re
from typing import Literal

from slmbench.common.errors import UsageError

#: What a number without a unit is: a fraction; a percentage (of accuracy: points); a fraction up to 1 and else a
#: percentage.
Bare = Literal["fraction", "percent", "either"]

_WRITTEN = re.compile(r"(?P<number>[^%a-z\s]+(?:e-?\d+)?)\s*(?P<unit>%|pp|points?)?", re.IGNORECASE)

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def parse_share(value: str | float, bare: Bare = "fraction", *, least: float = 0.0) -> float:
    """Return a share as a fraction: ``1%``, ``1 %``, ``1 point`` and ``1pp`` are 0.01 everywhere.

    Args:
        value: What was typed, or a number.
        bare: What a number without a unit means.
        least: A bare percentage above 0 and below this is refused: a fraction was meant.

    Raises:
        UsageError: It is not a number from 0 to 100 %, or a bare number that can be read in two ways.
    """
    text = str(value).strip()
    written = _WRITTEN.fullmatch(text)
    try:
        number = float(written["number"]) if written else math.nan
    except ValueError:
        number = math.nan
    percent = number if written and (written["unit"] or bare == "percent") else 100 * number
    if written and not written["unit"]:
        if bare != "percent" and number == 1:
            raise UsageError(f"{text} can be read in two ways: write 1% or 100%")
        if bare == "percent" and 0 < number < least:
            raise UsageError(f"{text} would be {text} %: write {100 * number:g}%, or {text}% if that is meant")
        if bare == "fraction" and 1 < number <= 100:
            raise UsageError(f"{text} is more than the whole: write {text}% if per cent are meant")
        if bare == "either" and number > 1:
            percent = number
    # Written this way round, NaN is refused too.
    if not 0 <= percent <= 100:
        raise UsageError(f"{text}: give a number from 0 to 100 %, such as 5%")
    return percent / 100


def parse_time(value: str) -> float:
    """Return a time such as ``90s``, ``10m`` or ``2h`` in seconds; a bare number is seconds.

    Raises:
        UsageError: It is none, or not above 0.
    """
    number, unit = (value[:-1], value[-1]) if value[-1:] in _SECONDS else (value, "s")
    try:
        seconds = float(number) * _SECONDS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{value}: give a time such as 90s, 10m or 2h")
    return seconds
