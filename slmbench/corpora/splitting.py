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

    from slmbench.corpora.rows import Review

#: Share of the reviews that is held out for testing.
TEST_FRACTION = 0.15

_SIDE = slice(0, 8)
_DRAW = slice(8, 16)
_VALIDATION = slice(16, 24)


def deduplicate(rows: Sequence[Review]) -> tuple[list[Review], int, int]:
    """Keep one copy of each review.

    Args:
        rows: Labelled reviews.

    Returns:
        The rows that stay, in their order; how many further copies with the same label were dropped; how many
        rows were dropped because the same text occurs with different labels (all its copies are).
    """
    first: dict[bytes, Review] = {}
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


def divide(rows: Sequence[Review]) -> tuple[list[Review], list[Review], list[str]]:
    """Divide reviews into the pools for training and testing, by the hash of each alone.

    Where that leaves a label out of one side, the review of the label whose hash is nearest to the border is moved
    there; a label of a single review is trained on and not tested.

    Args:
        rows: Labelled reviews without duplicates.

    Returns:
        The pools, each in the order of ``rows``, and a note for every label that needed a move.
    """
    by_label: dict[str, list[Review]] = {}
    for row in rows:
        by_label.setdefault(row.label, []).append(row)
    to_train: set[bytes] = set()
    to_test: set[bytes] = set()
    notes = []
    for label, own in by_label.items():
        tested = sum(is_test_side(row.digest) for row in own)
        nearest = sorted(own, key=lambda row: row.digest[_SIDE])
        if tested == len(own):
            to_train.add(nearest[-1].digest)
        elif not tested and len(own) > 1:
            to_test.add(nearest[0].digest)
        else:
            continue
        side = "training" if tested else "test"
        notes.append(
            f"a review labelled '{label[:50]}' was moved to the {side} rows: the split by hash left it without one"
        )
    sides: tuple[list[Review], list[Review]] = ([], [])
    for row in rows:
        digest = row.digest
        sides[digest in to_test or (is_test_side(digest) and digest not in to_train)].append(row)
    return *sides, notes


def different(rows: Sequence[Review], without: Sequence[Review]) -> list[Review]:
    """Return one copy of each text that is none of some others, in the order in which samples are drawn."""
    known = {row.digest for row in without}
    first = {row.digest: row for row in reversed(rows) if row.digest not in known}
    return sorted(first.values(), key=lambda row: row.digest[_DRAW])


def draw(pool: Sequence[Review], count: int) -> list[Review]:
    """Draw a stratified sample that depends on the content of the pool only.

    Samples nest: a smaller one is part of every larger one. The shares of the labels are those of the pool,
    the seats of a sample being given by the method of Sainte-Laguë (for two labels the same as largest
    remainders, which for more labels would not nest), except that every label has a seat where there are enough.

    Args:
        pool: The reviews to draw from, without duplicates.
        count: How many, at most ``len(pool)``.

    Returns:
        The sample, in an order that mixes the labels.
    """
    return sorted(_draw(pool, count, _DRAW, seat_each=True), key=lambda row: row.digest[_DRAW])


def part_for_validation(sample: Sequence[Review], count: int) -> tuple[list[Review], list[Review]]:
    """Divide a sample into training and validation rows, stratified, each in the order of the sample."""
    chosen = {row.digest for row in _draw(sample, count, _VALIDATION, seat_each=False)}
    training = [row for row in sample if row.digest not in chosen]
    return training, [row for row in sample if row.digest in chosen]


def _draw(pool: Sequence[Review], count: int, by: slice, *, seat_each: bool) -> list[Review]:
    sizes = Counter(row.label for row in pool)
    seen: Counter[str] = Counter()
    ranked = []
    for row in sorted(pool, key=lambda row: row.digest[by]):
        # The k-th review of a label (from 0) is due when the sample's fair share of it passes k + 1/2.
        due = 0.0 if seat_each and not seen[row.label] else (seen[row.label] + 0.5) / sizes[row.label]
        ranked.append((due, row.digest[by], row))
        seen[row.label] += 1
    ranked.sort(key=lambda entry: entry[:2])
    return [row for _, _, row in ranked[:count]]
