"""Did-you-mean for names that a person typed: options, recipe keys, models, methods, labels."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known name closest to a word, or an empty string when none is close.

    Args:
        word: What was typed.
        known: The names that exist.
    """
    by_folded = {_folded(name): name for name in known}
    # A missing separator ("learningrate") is a close match too, so separators are compared away.
    found = get_close_matches(_folded(word), by_folded, n=1, cutoff=0.7)
    return f"; did you mean '{by_folded[found[0]]}'?" if found else ""


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
