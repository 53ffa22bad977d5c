"""Reviews whose labels can be learned by a tiny model: every label has words of its own."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from tiny import WORDS

OWN_WORDS = {
    "negative": ["bad", "awful", "boring", "hated", "terrible", "dull", "worst"],
    "neutral": ["fine", "one", "two", "time", "fast", "slow"],
    "positive": ["good", "great", "superb", "loved", "enjoyed", "wonderful", "best"],
}
_FILLERS = [word for word in WORDS if word != "not" and not any(word in own for own in OWN_WORDS.values())]


def reviews(labels: list[str], count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Make different (text, label) pairs, as many of each label, of 6 to 24 words."""
    generator = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < count:
        label = labels[len(rows) % len(labels)]
        words = generator.choices(_FILLERS, k=generator.randint(4, 20))
        for word in generator.choices(OWN_WORDS[label], k=generator.randint(2, 4)):
            words.insert(generator.randint(0, len(words)), word)
        rows[" ".join(words)] = label
    return list(rows.items())


def write_reviews(path: Path, labels: list[str], count: int, seed: int = 0) -> Path:
    """Write such reviews as CSV with the columns text and label; returns the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(reviews(labels, count, seed))
    return path
