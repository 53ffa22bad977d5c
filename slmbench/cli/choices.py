"""Options whose value is one of a few words."""

from __future__ import annotations

from typing import TypeVar

from slmbench.errors import UsageError

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
