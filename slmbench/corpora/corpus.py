"""What loading a corpus gives: labelled reviews on four sides, and how they came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slmbench.records import CorpusIdentity, LengthQuantiles
from slmbench.records.predictions import hash_rows


@dataclass(frozen=True)
class Split:
    """Reviews of one side: texts as they came, label ids, row ids; three lists of equal length.

    A row id is 16 hexadecimal digits of the hash of the normalised text, a colon and the label's name: equal
    ids mean the same review with the same label.
    """

    texts: list[str]
    labels: list[int]
    row_ids: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def without(self, text_ids: Collection[str], limit: int | None = None) -> Split:
        """Return the first reviews whose text is none of some others.

        Args:
            text_ids: The parts of row ids before the colon.
            limit: Maximum number of reviews; all when ``None``.
        """
        kept = [at for at, row_id in enumerate(self.row_ids) if row_id.partition(":")[0] not in text_ids][:limit]
        texts, row_ids = [self.texts[at] for at in kept], [self.row_ids[at] for at in kept]
        return Split(texts, [self.labels[at] for at in kept], row_ids)


@dataclass(frozen=True)
class Corpus:
    """Labelled reviews, split.

    ``train_pool`` and ``test_pool`` count the reviews the sides had to choose from. ``duplicates_dropped``
    counts further copies of a review with the same label, ``conflicting_dropped`` all copies of a review that
    occurs with different labels, ``skipped_rows`` bad rows that were left out on request.
    """

    name: str
    source: str
    label_names: list[str]
    train: Split
    validation: Split
    test: Split
    train_pool: int
    test_pool: int
    duplicates_dropped: int
    conflicting_dropped: int
    skipped_rows: int
    notes: list[str] = field(default_factory=list)
    #: Texts of the training pool beside the sample, their labels not looked at; and their row ids, labels left off.
    unlabelled: list[str] = field(default_factory=list)
    unlabelled_ids: list[str] = field(default_factory=list)
    #: Keyword arguments of ``load_corpus`` that give this corpus again.
    options: dict[str, Any] = field(default_factory=dict)
    #: The columns that were read: ``text`` (several with commas between them) and ``label``.
    columns: dict[str, str] = field(default_factory=dict)
    #: Held-out rows that no choice may see: only the answers of what was chosen are ever scored on them.
    confirmation: Split = field(default_factory=lambda: Split([], [], []))
    #: Why there are none; ``None`` where there are some.
    no_confirmation: str | None = None

    def identity(self) -> CorpusIdentity:
        """Return the part of a record that says which reviews these are.

        ``train_hash`` covers the training and validation rows, ``test_hash`` the test rows; the length
        quantiles (in words, that is runs of non-space) cover all of them. ``confirmation_hash`` covers the
        confirmation rows, of which nothing else is told.
        """
        sides = {"train": self.train, "validation": self.validation, "test": self.test}
        words = [len(text.split()) for side in sides.values() for text in side.texts]
        p5, p50, p95 = (float(value) for value in np.percentile(words, (5, 50, 95)))
        return CorpusIdentity(
            name=self.name,
            source=self.source,
            labels=self.label_names,
            train_reviews=len(self.train),
            validation_reviews=len(self.validation),
            test_reviews=len(self.test),
            train_hash=hash_rows(self.train.row_ids + self.validation.row_ids),
            test_hash=hash_rows(self.test.row_ids),
            label_balance={side: self._balance(split) for side, split in sides.items()},
            words=LengthQuantiles(p5=p5, p50=p50, p95=p95, max=max(words)),
            duplicates_dropped=self.duplicates_dropped,
            conflicting_dropped=self.conflicting_dropped,
            skipped_rows=self.skipped_rows,
            unlabelled_reviews=len(self.unlabelled),
            unlabelled_hash=hash_rows(self.unlabelled_ids) if self.unlabelled else None,
            options=self.options,
            columns=self.columns,
            notes=self.notes,
            confirmation_reviews=len(self.confirmation),
            confirmation_hash=hash_rows(self.confirmation.row_ids) if len(self.confirmation) else None,
            no_confirmation=self.no_confirmation,
        )

    def _balance(self, split: Split) -> dict[str, int]:
        counts = Counter(split.labels)
        return {name: counts[number] for number, name in enumerate(self.label_names)}
