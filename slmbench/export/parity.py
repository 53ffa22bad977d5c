"""Is a form the same classifier? Labels and logits on the run's own test reviews, and the rule for fp32."""

from __future__ import annotations

import numpy as np

from slmbench.edge.runtime import not_finite
from slmbench.records import Parity

#: With fewer test reviews the reason says how few there were.
ENOUGH_REVIEWS = 200


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


def no_answers(parity: Parity) -> str:
    """Say on how many reviews there is no answer."""
    return f"NaN or infinity instead of logits on {parity.not_finite} of {parity.reviews} test reviews"


def accept_reference(parity: Parity) -> tuple[bool, str]:
    """Decide on fp32, which has to give the trained model's label on every review.

    Args:
        parity: Compared with the trained model.

    Returns:
        Whether it is accepted, and why.
    """
    if parity.not_finite:
        return False, no_answers(parity)
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
