"""Deduplication, and a split decided by the content of each review alone.

Three slices of the SHA-256 of a review's normalised text decide three things independently: on which side
of the split it falls, its place in the order in which samples are drawn, and whether it is used for
validation.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.corpora.rows import Row

#: Share of the reviews that is held out for testing.
TEST_FRACTION = 0.15

_SIDE = slice(0, 8)
_DRAW = slice(8, 16)
_VALIDATION = slice(16, 24)


def deduplicate(rows: Sequence[Row]) -> tuple[list[Row], int, int]:
    """Keep one copy of each review.

    Args:
        rows: Labelled reviews.

    Returns:
        The rows that stay, in their order; how many further copies with the same label were dropped; how many
        rows were dropped because the same text occurs with different labels (all its copies are).
    """
    first: dict[bytes, Row] = {}
    conflicting: set[bytes] = set()
    for row in rows:
        if first.setdefault(row.digest, row).label != row.label:
            conflicting.add(row.digest)
    kept = [row for digest, row in first.items() if digest not in conflicting]
    conflicts = sum(row.digest in conflicting for row in rows) if conflicting else 0
    return kept, len(rows) - len(kept) - conflicts, conflicts


def is_test_side(digest: bytes) -> bool:
    """Say whether a review is held out for testing.

    Args:
        digest: From :func:`slmbench.corpora.rows.text_digest`.
    """
    return int.from_bytes(digest[_SIDE], "big") < int(TEST_FRACTION * 2**64)


def draw_key(digest: bytes) -> int:
    """Return a review's place in the order in which samples are drawn, from 0 to 2^64 - 1.

    Args:
        digest: From :func:`slmbench.corpora.rows.text_digest`.
    """
    return int.from_bytes(digest[_DRAW], "big")


def divide(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Divide reviews into the pools for training and testing, by the hash of each alone."""
    sides: tuple[list[Row], list[Row]] = ([], [])
    for row in rows:
        sides[is_test_side(row.digest)].append(row)
    return sides


def draw(pool: Sequence[Row], count: int) -> list[Row]:
    """Draw a stratified sample that depends on the content of the pool only.

    Samples nest: a smaller one is part of every larger one. The shares of the labels are those of the pool,
    the seats of a sample being given by the method of Sainte-Laguë (for two labels the same as largest
    remainders, which for more labels would not nest).

    Args:
        pool: The reviews to draw from, without duplicates.
        count: How many, at most ``len(pool)``.

    Returns:
        The sample, in an order that mixes the labels.
    """
    return sorted(_draw(pool, count, _DRAW), key=lambda row: row.digest[_DRAW])


def part_for_validation(sample: Sequence[Row], count: int) -> tuple[list[Row], list[Row]]:
    """Divide a sample into training and validation rows, stratified, each in the order of the sample."""
    chosen = {row.digest for row in _draw(sample, count, _VALIDATION)}
    training = [row for row in sample if row.digest not in chosen]
    return training, [row for row in sample if row.digest in chosen]


def _draw(pool: Sequence[Row], count: int, by: slice) -> list[Row]:
    sizes = Counter(row.label for row in pool)
    seen: Counter[str] = Counter()
    ranked = []
    for row in sorted(pool, key=lambda row: row.digest[by]):
        # The k-th review of a label (from 0) is due when the sample's fair share of it passes k + 1/2.
        ranked.append(((seen[row.label] + 0.5) / sizes[row.label], row.digest[by], row))
        seen[row.label] += 1
    ranked.sort(key=lambda entry: entry[:2])
    return [row for _, _, row in ranked[:count]]
