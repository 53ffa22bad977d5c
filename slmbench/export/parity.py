"""Is a form the same classifier? Labels and logits on the run's own test reviews, and the rule of acceptance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slmbench.edge.runtime import not_finite
from slmbench.records import Parity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.common.progress import Progress
    from slmbench.edge.runtime import Backend
    from slmbench.statistics import PairedDifference

#: With fewer test reviews the reason says how few there were.
ENOUGH_REVIEWS = 200


def form_logits(backend: Backend, items: Sequence[object], progress: Progress, what: str) -> np.ndarray:
    """Run a form over encoded reviews one at a time; returns logits, shape (items, labels)."""
    rows = []
    with progress.task(what, total=len(items), unit="reviews") as task:
        for item in items:
            rows.append(backend.logits([item])[0])
            task.advance()
    return np.stack(rows)


def compare_logits(against: str, reference: np.ndarray, candidate: np.ndarray) -> Parity:
    """Count changed labels and the largest change of a logit between two runs over the same reviews.

    Args:
        against: What the reference is.
        reference: Shape (reviews, labels).
        candidate: Likewise; rows with NaN or infinity are counted, and count as changed.
    """
    unanswered = np.zeros(len(reference), dtype=bool)
    unanswered[not_finite(candidate)] = True
    changed = (reference.argmax(1) != candidate.argmax(1)) | unanswered
    distances = np.abs(reference - candidate)[~unanswered]
    return Parity(
        against=against,
        reviews=len(reference),
        label_flips=int(changed.sum()),
        max_abs_logit_diff=float(distances.max()) if distances.size else None,
        not_finite=int(unanswered.sum()),
    )


def _no_answers(parity: Parity) -> str:
    return f"NaN or infinity instead of logits on {parity.not_finite} of {parity.reviews} test reviews"


def accept_reference(parity: Parity) -> tuple[bool, str]:
    """Decide on fp32, which has to give the trained model's label on every review.

    Args:
        parity: Compared with the trained model.

    Returns:
        Whether it is accepted, and why.
    """
    if parity.not_finite:
        return False, _no_answers(parity)
    if parity.label_flips:
        return False, (
            f"{parity.label_flips} of {parity.reviews} labels differ from {parity.against}:"
            " the exported graph is not the trained model"
        )
    few = f"; fewer than the {ENOUGH_REVIEWS} a parity check should have" if parity.reviews < ENOUGH_REVIEWS else ""
    return True, (
        f"same label as {parity.against} on all {parity.reviews} test reviews,"
        f" largest logit difference {parity.max_abs_logit_diff:.1e}{few}"
    )


def accept_form(parity: Parity, loss: PairedDifference, max_drop: float) -> tuple[bool, str]:
    """Decide on another form by the accuracy that it loses against fp32 on the same reviews.

    Args:
        parity: Compared with fp32.
        loss: Accuracy of the form minus that of fp32.
        max_drop: Largest loss of accuracy that is accepted, as a fraction.

    Returns:
        Whether it is accepted, and why.
    """
    if parity.not_finite:
        return False, _no_answers(parity)
    change = f"accuracy {100 * loss.difference:+.1f} points against fp32"
    evidence = (
        f"{change} (95 % interval {100 * loss.ci95[0]:+.1f} to {100 * loss.ci95[1]:+.1f},"
        f" McNemar p = {loss.p_value:.2g}), {parity.label_flips} of {parity.reviews} labels changed"
    )
    if -loss.difference > max_drop:
        return False, f"{evidence}: more than the {100 * max_drop:.1f} points allowed (--max-accuracy-drop)"
    return True, evidence
