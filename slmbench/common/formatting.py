"""How numbers are written for people, the same way in tables, sentences, plots and model cards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

MEGABYTE = 1_000_000
#: What stands in a table for an unknown value.
UNKNOWN = "–"


def percent(fraction: float) -> str:
    """Write a fraction as a percentage with one decimal: ``86.4 %``."""
    return f"{fraction * 100:.1f} %"


def percent_interval(interval: tuple[float, float]) -> str:
    """Write an interval of fractions as percentages: ``84.2–88.4 %``."""
    return f"{interval[0] * 100:.1f}–{interval[1] * 100:.1f} %"


def half_width(interval: tuple[float, float]) -> float:
    """Return half the width of an interval."""
    return (interval[1] - interval[0]) / 2


def points(difference: float) -> str:
    """Write a difference of fractions, without its sign, in percentage points: ``0.8 points``."""
    return f"{abs(difference) * 100:.1f} points"


def three_digits(value: float) -> str:
    """Write a positive number with three significant digits: ``0.123``, ``48.2``, ``1,230``."""
    if value <= 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(rounded)))
    return f"{rounded:,.{decimals}f}"


def milliseconds(value: float) -> str:
    """Write a time with three significant digits: ``48.2 ms``."""
    return f"{three_digits(value)} ms"


def minutes(value: float) -> str:
    """Write a time to plan with: ``3 minutes``, ``40 seconds``."""
    if value >= 1:
        return counted(math.ceil(value), "minute")
    return counted(max(1, math.ceil(value * 60)), "second")


def duration(seconds: float) -> str:
    """Write a time that was taken: ``0.3 s``, ``41 s``, ``18 min 59 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def limit(value: float) -> str:
    """Write a number that a person gave, as they would: ``20``, ``0.5``, ``1500``."""
    return f"{value:.6g}"


def in_megabytes(value: int | None) -> float | None:
    """Return bytes in MB (10^6); what is not known stays so."""
    return None if value is None else value / MEGABYTE


def bare_megabytes(value: int) -> str:
    """Write bytes as MB (10^6) without the unit: one decimal below 100."""
    in_megabytes = value / MEGABYTE
    return f"{in_megabytes:,.1f}" if in_megabytes < 99.95 else f"{in_megabytes:,.0f}"


def megabytes(value: int) -> str:
    """Write bytes as MB (10^6): ``22.9 MB``."""
    return f"{bare_megabytes(value)} MB"


def parameters(count: int) -> str:
    """Write a number of parameters: ``31K``, ``22.7M``, ``110M``, ``1.3B``."""
    for size, unit in ((1e9, "B"), (1e6, "M")):
        if count >= size:
            return f"{count / size:.1f}{unit}" if count / size < 99.95 else f"{count / size:.0f}{unit}"
    return f"{count / 1000:.0f}K" if count >= 1000 else str(count)


def p_value(p: float) -> str:
    """Write a p-value with two significant digits: ``p = 0.03``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def times(ratio: float, direction: str) -> str:
    """Write how much more one number is than another: ``2.1× slower``, ``4 % larger``.

    Args:
        ratio: The larger over the smaller, at least 1.
        direction: The comparative: "slower", "faster", "larger".
    """
    if ratio < 1.01:
        return f"under 1 % {direction}"
    if ratio < 1.195:  # from there on it rounds to 1.2×
        return f"{(ratio - 1) * 100:.0f} % {direction}"
    return f"{ratio:.1f}× {direction}" if ratio < 9.95 else f"{ratio:,.0f}× {direction}"


def listing(words: Sequence[str]) -> str:
    """Join words as a sentence does: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def few(words: Sequence[str], most: int = 20) -> str:
    """Join names with commas for a message: the first ones, none of them long."""
    return ", ".join(word[:50] for word in words[:most]) + (", …" if len(words) > most else "")


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 row``, ``7 rows``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


#: Characters that steer a terminal or turn the direction of what follows: C0 without tab and line feed, C1, DEL, and
#: the overrides of direction.
_STEERING = dict.fromkeys(
    [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd"
)


def printable(text: str) -> str:
    """Return a text without characters that steer a terminal; each is shown as U+FFFD."""
    return text.translate(_STEERING)


def no_formula(value: Any) -> Any:
    """Return a cell that a spreadsheet does not compute: what begins as a formula gets an apostrophe before it.

    As https://owasp.org/www-community/attacks/CSV_Injection has it.
    """
    return (
        f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value
    )
