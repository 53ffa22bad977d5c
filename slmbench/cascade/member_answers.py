"""The answers of both members: each review is run once, so every threshold is arithmetic afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.corpora import Split
from slmbench.edge.runtime import Backend, confidence, not_finite, softmax
from slmbench.export.answering import form_logits
from slmbench.records import Predictions
from slmbench.records.cascade import Routing


@dataclass(frozen=True)
class MemberBackend:
    """A loaded member: its logits in the order of the cascade's labels."""

    backend: Backend
    columns: list[int]
    name: str

    def logits(self, texts: list[str], progress: Progress) -> np.ndarray:
        """Answer reviews one at a time; returns shape (texts, labels).

        Raises:
            SlmbenchError: The member answers with NaN or infinity.
        """
        if not texts:
            return np.empty((0, len(self.columns)), dtype=np.float32)
        logits = form_logits(self.backend, self.backend.encode(texts), progress, f"running {self.name}")
        if len(wrong := not_finite(logits)):
            raise SlmbenchError(
                f"{self.name} answers {len(wrong)} of {len(texts)} reviews with NaN or infinity: choose another form"
            )
        return logits[:, self.columns]


@dataclass(frozen=True)
class Answers:
    """The answers of both members to reviews.

    Attributes:
        rows: The reviews; their labels are ids of the cascade's labels.
        small: Logits of the small member, shape (rows, labels).
        large: Logits of the large member; NaN in rows that it was not run on.
    """

    rows: Split
    small: np.ndarray
    large: np.ndarray

    @classmethod
    def of(
        cls, rows: Split, small: MemberBackend, large: MemberBackend, below: float | None, progress: Progress
    ) -> Answers:
        """Run both members.

        Args:
            rows: The reviews.
            small: The small member, run on all of them.
            large: The large member.
            below: Run it only where the small one is less sure than this; ``None`` runs it on all.
            progress: Where progress is reported.
        """
        first = small.logits(rows.texts, progress)
        wanted = np.flatnonzero(confidence(first) < below) if below is not None else np.arange(len(rows))
        second = np.full_like(first, np.nan)
        second[wanted] = large.logits([rows.texts[row] for row in wanted], progress)
        return cls(rows, first, second)

    def routing(self) -> Routing:
        """Return what choosing a threshold needs."""
        truth = np.asarray(self.rows.labels)
        large_right = self.large.argmax(1) == truth
        asked = ~np.isnan(self.large).any(1)
        return Routing(
            row_ids=self.rows.row_ids,
            confidence=confidence(self.small).tolist(),
            small_right=(self.small.argmax(1) == truth).tolist(),
            large_right=[bool(right) if known else None for right, known in zip(large_right, asked, strict=True)],
        )

    def cascade(self, threshold: float) -> np.ndarray:
        """Return the logits of the member that answers each review, shape (rows, labels)."""
        return np.where((confidence(self.small) < threshold)[:, None], self.large, self.small)

    def predictions(self, labels: list[str], logits: np.ndarray) -> Predictions:
        """Return logits on these rows as the predictions that records keep."""
        return Predictions.of(labels, self.rows.row_ids, self.rows.labels, softmax(logits))
