"""How many reviews each side of a corpus gets, and whether they will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import few
from slmbench.corpora.corpus import Split
from slmbench.corpora.row_sets import RowSet

#: How many reviews to draw: a number, or all there are.
Size = int | Literal["all"]
#: Reviews on each side when nothing is said: enough for a first answer within minutes on a CPU.
DEFAULT_SIZE = 1000

#: Maximum number of confirmation rows. At an accuracy of 88 % the 95 % interval of 2,000 is ±1.4 points
#: (1.96 × √(0.88 × 0.12 / 2,000)), less than the 2 points that matter between models; twice as many would gain 0.4
#: points and double the time that they take at export.
MAX_CONFIRMATION = 2000
#: With fewer the interval is wider than ±3.2 points at 88 %: the accuracy on the test rows, corrected for the choice
#: made on them, then says more.
MIN_CONFIRMATION = 400


def confirmation_size(left: int) -> tuple[int, str | None]:
    """Return how many confirmation rows to draw, and why there are none.

    Args:
        left: Reviews of the held-out pool beside the test rows.

    Returns:
        A number of reviews and ``None``; or 0 and the reason.
    """
    if left >= MIN_CONFIRMATION:
        return min(left, MAX_CONFIRMATION), None
    further = "no further review" if not left else f"only {left:,} further review{'s' if left > 1 else ''}"
    return 0, f"the held-out pool has {further}; a confirmation takes at least {MIN_CONFIRMATION:,}"


def check_test_labels(rows: RowSet, label_names: list[str], name: str) -> None:
    """Raise when a test row has a label that no training row has."""
    for label in rows.label_counts():
        if label not in label_names:
            row = int(np.flatnonzero(rows.labels == rows.label_values.index(label))[0])
            raise SlmbenchError(
                f"{name}: row {rows.place_of(row)} of the test reviews: unknown label '{label[:50]}'; the"
                f" training labels are: {few(label_names)}"
            )


def without_shared(rows: RowSet, test: RowSet, name: str, skip: bool) -> tuple[RowSet, int]:
    """Return the training rows that are no test rows, and how many were; those are an error unless ``skip``."""
    shared = rows.is_in(test)
    count = int(shared.sum())
    if count and not skip:
        tested = np.flatnonzero(test.is_in(rows))
        in_order = tested[np.lexsort((test.numbers[tested], test.tables[tested]))]
        first = ", ".join(test.place_of(int(row)) for row in in_order[:5])
        raise SlmbenchError(
            f"{count} reviews of {name} are in both the training and the test data (test rows {first}"
            f"{', …' if count > 5 else ''}): remove them from one, or pass --skip-bad-rows to leave"
            " them out of the training rows"
        )
    return rows.take(~shared), count


def settle_size(size: Size | None, pool: RowSet, side: Literal["training", "test"], name: str) -> int:
    """Return how many reviews to draw from a pool."""
    if not len(pool):
        raise SlmbenchError(f"{name} has too few reviews: none is left as {side} review")
    if not isinstance(size, int):
        return len(pool) if size == "all" else min(DEFAULT_SIZE, len(pool))
    if size > len(pool):
        raise UsageError(
            f"{name} has {len(pool):,} different {side} reviews, fewer than the {size:,} asked for; ask for"
            f" at most {len(pool):,}"
        )
    return size


def settle_unlabelled(size: Size, left: int, name: str) -> int:
    """Return how many reviews without their labels to take, of those that are left beside the labelled sample."""
    if size == "all":
        return left
    if size < 0:
        raise UsageError(f"the number of unlabelled reviews has to be at least 0, not {size}")
    if size > left:
        raise UsageError(
            f"{name} has {left:,} training reviews beside the labelled ones, fewer than the {size:,} unlabelled"
            f" ones asked for; ask for at most {left:,}"
        )
    return size


def check_training(rows: RowSet, label_names: list[str], name: str) -> list[str]:
    """Check that every label can be learned.

    Args:
        rows: The training rows.
        label_names: The labels.
        name: The corpus.

    Returns:
        A note when a label has a single training row.

    Raises:
        SlmbenchError: A label has none.
    """
    counts = rows.label_counts()
    for label in label_names:
        if not counts[label]:
            raise SlmbenchError(
                f"no training row of {name} is labelled '{label[:50]}', so it cannot be learned: take more training"
                " reviews, a smaller validation fraction, or other labels"
            )
    once = [f"'{label[:50]}'" for label in label_names if counts[label] == 1]
    return [f"a single training review is labelled {few(once)}: hardly enough to learn it"] if once else []


def split_of(rows: RowSet, label_names: Sequence[str]) -> Split:
    """Return rows, whose texts are there, as a side of a corpus."""
    texts = [] if rows.texts is None else rows.texts.tolist()
    return Split(texts, rows.label_ids(label_names), rows.row_ids())
