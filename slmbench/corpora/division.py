"""Which reviews are tested on and which trained on, where a corpus does not come divided.

By default the hash of each review alone decides. A column of groups keeps each group on one side: then the hash of
the group decides. A column of times trains on the past and tests on the future. Several folds test every review once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import few, percent
from slmbench.corpora.marks import MarkColumn, date_of
from slmbench.corpora.row_sets import RowSet
from slmbench.corpora.splitting import SIDE, TEST_FRACTION, part_for_validation

#: With fewer test reviews the 95 % interval of an accuracy of 50 % is wider than ±10 points (Wilson 1927).
MIN_TEST_REVIEWS = 100
#: The larger share that is recommended for a small corpus, and the folds: 5 or 10 are usual (Kohavi 1995).
_LARGER_SHARE = 0.3
_FOLDS = 5


@dataclass(frozen=True)
class Division:
    """How a corpus is divided into training and test reviews.

    Attributes:
        test_share: Share of the reviews (with groups, of the groups) that is held out; 0.15 when ``None``.
        group_column: Column whose equal values stay on one side.
        time_column: Column of times: the latest reviews are tested on.
        folds: Number of folds of a cross-validation.
        fold: Which of them is tested on, from 1.

    Raises:
        UsageError: A value is out of range, or two contradict each other.
    """

    test_share: float | None = None
    group_column: str | None = None
    time_column: str | None = None
    folds: int | None = None
    fold: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.test_share is not None and not 0 < self.test_share < 1:
            raise UsageError(f"--test-share has to be between 0 and 1, not {self.test_share}")
        if self.group_column and self.time_column:
            raise UsageError("--group-column and --time-column each decide about the split: give one of them")
        if self.folds is None:
            return
        if self.time_column or self.test_share is not None:
            what = "--time-column" if self.time_column else "--test-share"
            raise UsageError(f"--folds and {what} each decide what is tested on: give one of them")
        if self.folds < 2 or not 1 <= (self.fold or 0) <= self.folds:
            raise UsageError(
                f"--folds has to be at least 2 and the fold one of them, not {self.fold} of {self.folds}"
            )

    def given(self) -> dict[str, Any]:
        """Return the values that differ from their defaults, as keyword arguments of ``load_corpus``."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def share(self) -> float:
        """Share that is held out."""
        return TEST_FRACTION if self.test_share is None else self.test_share

    @property
    def marks(self) -> MarkColumn | None:
        """The column to read beside text and label."""
        if self.group_column:
            return MarkColumn(self.group_column, "group")
        return MarkColumn(self.time_column, "time") if self.time_column else None

    def refuse_test_part(self, name: str) -> None:
        """Raise when something was given for a corpus whose test rows are given.

        Raises:
            UsageError: It was.
        """
        for option in self.given():
            raise UsageError(
                f"--{option.replace('_', '-')} says how {name} is divided, but its test rows are given: leave it out"
            )

    def divide(self, rows: RowSet, name: str) -> tuple[RowSet, RowSet, list[str]]:
        """Divide reviews into the pools for training and testing.

        Where that leaves a label out of one side, the review (or group) with the label whose hash is nearest to the
        border is moved there; a label of a single review is trained on and not tested. Nothing is moved in time.

        Args:
            rows: Labelled reviews without duplicates.
            name: The corpus.

        Returns:
            The pools, each in the order of ``rows``, and notes.

        Raises:
            SlmbenchError: All reviews have one time or one group.
        """
        if self.time_column:
            return self._by_time(rows, name)
        side = rows.keys[:, SIDE] if rows.marks is None else rows.marks
        if self.group_column and len(np.unique(side)) < 2:
            raise SlmbenchError(f"all reviews of {name} are of one group in column '{self.group_column}'")
        if self.folds:
            tested, notes = self._fold_of(rows, side) == self.fold, []
        else:
            border = int(self.share * 2**64)
            tested = side < np.uint64(border)
            notes = _moved(rows, side, tested)
        if self.group_column:
            groups = (len(np.unique(side[tested])), len(np.unique(side)))
            notes.append(
                f"groups of column '{self.group_column}' stay on one side: the test side has {groups[0]:,} of"
                f" {groups[1]:,} groups and {percent(tested.mean())} of the reviews"
            )
        return rows.take(~tested), rows.take(tested), notes

    def part_for_validation(self, sample: RowSet, count: int) -> tuple[RowSet, RowSet]:
        """Divide a sample into training and validation rows; groups stay on one side.

        Args:
            sample: Rows of the training pool.
            count: How many to validate on; with groups, whole groups of at least so many together.
        """
        if not (self.group_column and count and sample.marks is not None):
            return part_for_validation(sample, count)
        # The first bytes of a group's hash decide its side, the last whether it is used for validation.
        groups, of, sizes = np.unique(sample.marks.byteswap(), return_inverse=True, return_counts=True)
        last = int(np.searchsorted(np.cumsum(sizes), count))
        chosen = of <= min(last, len(groups) - 2)
        return sample.take(~chosen), sample.take(chosen)

    def advice(self, train_pool: int, test_pool: int) -> list[str]:
        """Return a note for a test side that is too small, with the option that enlarges it.

        Args:
            train_pool: Reviews on the training side.
            test_pool: Reviews on the test side.
        """
        total = train_pool + test_pool
        if test_pool >= MIN_TEST_REVIEWS or self.folds:
            return []
        larger = ""
        if (self.test_share or 0) < _LARGER_SHARE:
            larger = f"--test-share {_LARGER_SHARE} holds out about {round(_LARGER_SHARE * total):,}"
        every = "" if self.time_column else f"--folds {_FOLDS} tests each of the {total:,} reviews once"
        options = ", ".join(filter(None, (larger, every)))
        if not options:
            return []
        return [
            f"accuracy on {test_pool:,} test reviews is uncertain (fewer than {MIN_TEST_REVIEWS} give more than ±10"
            f" points): {options}"
        ]

    def drop_tested(self, unlabelled: RowSet, test_pool: RowSet) -> RowSet:
        """Return unlabelled rows without those of tested groups, or of the time that is tested."""
        if unlabelled.marks is None or test_pool.marks is None:
            return unlabelled
        if self.time_column:
            return unlabelled.take(unlabelled.marks < test_pool.marks.min())
        return unlabelled.take(~np.isin(unlabelled.marks, test_pool.marks))

    def _by_time(self, rows: RowSet, name: str) -> tuple[RowSet, RowSet, list[str]]:
        times, firsts = np.unique(np.sort(_marks(rows)), return_index=True)
        if len(times) < 2:
            raise SlmbenchError(
                f"all reviews of {name} have one time in column '{self.time_column}': there is no past to train on"
            )
        # Equal times stay on one side, so the border is the time whose test side is nearest to the share.
        shares = 1 - firsts[1:] / len(rows)
        border = times[1:][np.abs(shares - self.share).argmin()]
        tested = _marks(rows) >= border
        notes = [
            f"trained on reviews before {date_of(int(border))}, tested on those from then on to"
            f" {date_of(int(times[-1]))} ({percent(tested.mean())} of all)"
        ]
        for label, label_name in enumerate(rows.label_values):
            own = rows.labels == label
            if own.any() and not (own & tested).any():
                notes.append(f"no test review is labelled '{label_name[:50]}': none of its reviews is recent enough")
        return rows.take(~tested), rows.take(tested), notes

    def _fold_of(self, rows: RowSet, side: np.ndarray) -> np.ndarray:
        """Return the fold of each row, from 1: stratified by label (Kohavi 1995), or by group; in order of hash."""
        folds = int(self.folds or 1)
        if rows.marks is not None:
            return np.unique(side, return_inverse=True)[1] % folds + 1
        found = np.zeros(len(rows), dtype=np.int64)
        before = 0
        for label in sorted(range(len(rows.label_values)), key=rows.label_values.__getitem__):
            own = np.flatnonzero(rows.labels == label)
            if len(own) > 1:  # a single review is trained on in every fold
                found[own[np.argsort(side[own])]] = (before + np.arange(len(own))) % folds + 1
                before += len(own)
        return found


def _moved(rows: RowSet, side: np.ndarray, tested: np.ndarray) -> list[str]:
    """Move what leaves a label out of one side, in place; return a note for each side that gets any."""
    labels: dict[str, list[str]] = {"training": [], "test": []}
    for label, name in enumerate(rows.label_values):
        own = np.flatnonzero(rows.labels == label)
        if not len(own):
            continue
        if tested[own].all():
            moved, to = own[side[own].argmax()], "training"
        elif not tested[own].any() and len(np.unique(side[own])) > 1:
            moved, to = own[side[own].argmin()], "test"
        else:
            continue
        tested[side == side[moved]] = to == "test"
        labels[to].append(f"'{name[:50]}'")
    what = "review" if rows.marks is None else "group with a review"
    return [
        f"a {what} labelled {few(moved_labels)} was moved to the {to} rows: the split by hash left it without one"
        if len(moved_labels) == 1
        else f"a {what} of each of {len(moved_labels):,} labels ({few(moved_labels)}) was moved to the {to} rows: the"
        " split by hash left them without one"
        for to, moved_labels in labels.items()
        if moved_labels
    ]


def _marks(rows: RowSet) -> np.ndarray:
    if rows.marks is None:
        raise ValueError("the rows were read without their times")
    return rows.marks
