"""Deduplication, and samples decided by the content of each review alone.

Three slices of the SHA-256 of a review's normalised text decide three things independently: on which side
of the split it falls, its place in the order in which samples are drawn, and whether it is used for
validation.
"""

from __future__ import annotations

import numpy as np

from slmbench.corpora.row_sets import RowSet, keys_of

#: Share of the reviews that is held out for testing.
TEST_FRACTION = 0.15

#: Columns of ``RowSet.keys``.
SIDE, _DRAW, _VALIDATION = range(3)

#: Shares of rows with contradictory labels, and of copies, above which it is said that they were left out.
_CONFLICTS_SAID, _DUPLICATES_SAID = 0.01, 0.1


def deduplicate(rows: RowSet) -> tuple[RowSet, int, int]:
    """Keep one copy of each review.

    Args:
        rows: Labelled reviews.

    Returns:
        The rows that stay, in their order; how many further copies with the same label were dropped; how many
        rows were dropped because the same text occurs with different labels (all its copies are).
    """
    _, first, text = np.unique(rows.hashes(), return_index=True, return_inverse=True)
    # A text whose copies do not all have the label of the first contradicts itself.
    contradicted = np.zeros(len(first), dtype=bool)
    contradicted[text[rows.labels != rows.labels[first][text]]] = True
    conflicts = int(contradicted[text].sum())
    kept = np.sort(first[~contradicted])
    return rows.take(kept), len(rows) - len(kept) - conflicts, conflicts


def left_out_notes(rows: int, duplicates: int, conflicts: int) -> list[str]:
    """Return notes on what :func:`deduplicate` left out of so many rows, where it is much."""
    notes = []
    if conflicts > _CONFLICTS_SAID * rows:
        notes.append(f"{conflicts:,} of {rows:,} rows left out: their texts occur with different labels")
    if duplicates > _DUPLICATES_SAID * rows:
        notes.append(f"{duplicates:,} of {rows:,} rows left out: they are copies of others")
    return notes


def is_test_side(digest: bytes, share: float = TEST_FRACTION) -> bool:
    """Say whether a review is held out for testing.

    Args:
        digest: From :func:`slmbench.corpora.rows.text_digest`.
        share: Of the reviews that is held out.
    """
    return keys_of(digest)[SIDE] < int(share * 2**64)


def draw_key(digest: bytes) -> int:
    """Return a review's place in the order in which samples are drawn, from 0 to 2^64 - 1.

    Args:
        digest: From :func:`slmbench.corpora.rows.text_digest`.
    """
    return keys_of(digest)[_DRAW]


def different(rows: RowSet, without: tuple[RowSet, ...]) -> RowSet:
    """Return one copy of each text that is in none of some other sets, in the order in which samples are drawn."""
    known = np.zeros(len(rows), dtype=bool)
    for other in without:
        known |= rows.is_in(other)
    new = rows.take(~known)
    _, first = np.unique(new.hashes(), return_index=True)
    once = new.take(first)
    return once.take(np.argsort(once.keys[:, _DRAW]))


def draw(pool: RowSet, count: int) -> RowSet:
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
    chosen = _draw(pool, count, _DRAW, seat_each=True)
    return pool.take(chosen[np.argsort(pool.keys[chosen, _DRAW])])


def part_for_validation(sample: RowSet, count: int) -> tuple[RowSet, RowSet]:
    """Divide a sample into training and validation rows, stratified, each in the order of the sample."""
    chosen = np.zeros(len(sample), dtype=bool)
    chosen[_draw(sample, count, _VALIDATION, seat_each=False)] = True
    return sample.take(~chosen), sample.take(chosen)


def _draw(pool: RowSet, count: int, by: int, *, seat_each: bool) -> np.ndarray:
    """Return the places of the rows drawn."""
    order = np.argsort(pool.keys[:, by])
    labels = pool.labels[order]
    due = np.empty(len(pool))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        # The k-th review of a label (from 0) is due when the sample's fair share of it passes k + 1/2.
        due[own] = (np.arange(len(own)) + 0.5) / len(own)
        if seat_each:
            due[own[0]] = 0.0
    # Stable: reviews that are due at once stay in the order of the hash.
    return order[np.argsort(due, kind="stable")[:count]]
