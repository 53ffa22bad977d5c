"""Label words: the words that stand for each label (the verbalisers of Schick and Schütze 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from slmbench.common.errors import UsageError

#: Label name → words that stand for it.
Words = dict[str, tuple[str, ...]]


def parse_words(text: str) -> Words:
    """Read ``positive=good,great;negative=bad,awful``.

    Raises:
        UsageError: A part is not ``label=word``.
    """
    words: Words = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        label, equals, given = part.partition("=")
        chosen = tuple(word.strip() for word in given.split(",") if word.strip())
        if not equals or not label.strip() or not chosen:
            raise UsageError(f"{part}: write label=word,word;label=word")
        words[label.strip()] = chosen
    return words


def words_of(labels: Sequence[str], words: Words | None) -> Words:
    """Return the words of every label, in label order; by default each label's own name.

    Raises:
        UsageError: A label has no words, or words are given for a label that does not exist.
    """
    if words is None:
        return {label: (label,) for label in labels}
    unknown = [label for label in words if label not in labels]
    missing = [label for label in labels if label not in words]
    if unknown or missing:
        wrong = f"there is no label '{unknown[0]}'" if unknown else f"label '{missing[0]}' has no words"
        raise UsageError(f"--words: {wrong}; the labels are: {', '.join(labels)}")
    return {label: words[label] for label in labels}
