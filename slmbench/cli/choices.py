"""Options whose value is one of a few words, or a number that is written in several ways."""

from __future__ import annotations

from typing import Literal, TypeVar

from slmbench.common.errors import UsageError

Word = TypeVar("Word", bound=str)


def choose(option: str, value: str | None, *words: Word) -> Word | None:
    """Return the word chosen, or ``None`` when nothing was.

    Raises:
        UsageError: The value is none of the words.
    """
    if value is None:
        return None
    for word in words:
        if value == word:
            return word
    raise UsageError(f"{option} {value}: choose one of {', '.join(words)}")


def size(option: str, value: str | None) -> int | Literal["all"] | None:
    """Return a number of reviews, ``"all"``, or ``None`` when nothing was said.

    Raises:
        UsageError: It is neither a number above 0 nor the word.
    """
    if value is None:
        return None
    if value == "all":
        return "all"
    if not value.isdecimal() or int(value) == 0:
        raise UsageError(f"{option} {value}: give a number above 0, or all")
    return int(value)


def percentage(option: str, value: str | None) -> float | None:
    """Return ``5%``, ``5 %`` or ``5`` as 0.05, or ``None`` when nothing was said.

    Raises:
        UsageError: It is not a number from 0 to 100.
    """
    if value is None:
        return None
    try:
        number = float(value.strip().removesuffix("%"))
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 100:
        raise UsageError(f"{option} takes a number from 0 to 100, such as 5%; it is '{value}'")
    return number / 100
