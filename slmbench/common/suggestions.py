"""Did-you-mean for names that a person typed: options, recipe keys, models, methods, labels."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

#: What other tools call some of the things here; used where no known name looks alike.
_ELSEWHERE = {
    "rounds": "processes",
    "repeats": "processes",
    "repetitions": "processes",
    "iterations": "processes",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "max_seq_length": "max_length",
    "dataset": "corpus",
    "out": "output",
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known name closest to a word, or an empty string when none is close.

    Close are a name spelt nearly alike (``learningrate``), the only one that begins so (``acc``), one with these
    initials (``lr``), and what other tools call by that word (``rounds``).

    Args:
        word: What was typed.
        known: The names that exist.
    """
    names = list(known)
    by_folded = {_folded(name): name for name in names}
    # A missing separator ("learningrate") is a close match too, so separators are compared away.
    typed = _folded(word)
    if found := get_close_matches(typed, by_folded, n=1, cutoff=0.7):
        return _sentence(by_folded[found[0]])
    for alike in (
        [name for folded, name in by_folded.items() if len(typed) > 1 and folded.startswith(typed)],
        [name for name in names if len(typed) > 1 and _initials(name) == typed],
        [name for other, meant in _ELSEWHERE.items() if _folded(other) == typed for name in _named(meant, by_folded)],
    ):
        if len(alike) == 1:
            return _sentence(alike[0])
    return ""


def _sentence(name: str) -> str:
    return f"; did you mean '{name}'?"


def _named(name: str, by_folded: dict[str, str]) -> list[str]:
    return [by_folded[_folded(name)]] if _folded(name) in by_folded else []


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.lower().replace("-", "_").split("_"))
