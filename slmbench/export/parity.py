"""Is a form the same classifier? Judged by labels and logits on the run's own test reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slmbench.records import Parity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.common.progress import Progress
    from slmbench.edge.runtime import Backend


def form_logits(backend: Backend, items: Sequence[object], progress: Progress, what: str) -> np.ndarray:
    """Run a form over encoded reviews one at a time; returns logits, shape (items, labels)."""
    rows = []
    with progress.task(what, total=len(items), unit="reviews") as task:
        for item in items:
            rows.append(backend.logits([item])[0])
            task.advance()
    return np.stack(rows)


def compare_logits(against: str, reference: np.ndarray, candidate: np.ndarray) -> Parity:
    """Count changed labels and the largest change of a logit between two runs over the same reviews."""
    return Parity(
        against=against,
        reviews=len(reference),
        label_flips=int((reference.argmax(1) != candidate.argmax(1)).sum()),
        max_abs_logit_diff=float(np.abs(reference - candidate).max()),
    )
