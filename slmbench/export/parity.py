"""Is a form the same classifier? Labels and logits on the run's own test reviews, and the rule for fp32."""

from __future__ import annotations

import numpy as np

from slmbench.edge.runtime import not_finite
from slmbench.records import Parity

#: With fewer test reviews the reason says how few there were.
ENOUGH_REVIEWS = 200
#: Two ways to compute the same function are compared on so many reviews and so many of the longest ones; then the
#: others are asked whose label the difference could change.
SAMPLED, LONGEST = 256, 32
#: A review that was not compared may differ so many times as much as the one of them that differs most. Of so many
#: random reviews and a further one, the further one differs most with a probability of 1 in ``SAMPLED`` + 1 only.
SAFETY = 100.0


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


def beyond_rounding(logits: np.ndarray, largest: float) -> np.ndarray:
    """Return which reviews keep their label when they are computed in another order.

    Args:
        logits: As computed one way, finite, shape (reviews, labels).
        largest: Largest difference of a logit to the other way, on reviews that were computed in both.

    Returns:
        Shape (reviews,): whether the first label leads by more than :data:`SAFETY` times what could change it.
    """
    if logits.shape[1] < 2:
        return np.ones(len(logits), dtype=bool)
    second, first = np.sort(logits, axis=1)[:, -2:].T
    return first - second > 2 * SAFETY * largest


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
