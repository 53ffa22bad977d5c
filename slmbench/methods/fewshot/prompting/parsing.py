"""What a generated answer says, read with goodwill: the labels it mentions, whatever stands around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.methods.fewshot.words import Words


def mentioned_labels(answer: str, words: Words) -> list[int]:
    """Return the labels that an answer mentions.

    Case and punctuation do not matter; a word counts only whole, and where one label's words are part of another's
    the longer one counts.

    Args:
        answer: As the model wrote it.
        words: Label name → words that stand for it, in label order.

    Returns:
        Label ids in the order of their first mention, each once.
    """
    number_of = {
        _plain(word): number for number, choice in enumerate(words.values()) for word in choice if _plain(word)
    }
    longest_first = sorted(number_of, key=len, reverse=True)
    pattern = "|".join(re.escape(word) for word in longest_first)
    found = re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", _plain(answer)) if pattern else []
    return list(dict.fromkeys(number_of[word] for word in found))


def first_labels(answers: Sequence[str], words: Words) -> list[int | None]:
    """Return the label each answer mentions first, or ``None`` where it mentions none."""
    return [next(iter(mentioned_labels(answer, words)), None) for answer in answers]


def _plain(text: str) -> str:
    """Return a text in one case, its punctuation and runs of space turned into single spaces."""
    return " ".join(re.sub(r"[^\w&'-]+", " ", text.casefold()).split())
