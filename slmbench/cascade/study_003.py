"""Study 003's hybrid systems: what was published, and what it implies of the reviews they routed.

The study (Xiao, Li & Chen, poster, July 2024) let DistilBERT answer Amazon reviews and sent those below a top-1
probability of .90 to Flan-T5-XXL or Flan-UL2. It published runtimes and never how many reviews were routed.
"""

from __future__ import annotations

from typing import NamedTuple

from slmbench.cascade.arithmetic import routed_reviews

#: Reviews that the hybrids and DistilBERT answered, and that the large models did (16 more, over 512 tokens).
HYBRID_REVIEWS = 937
LARGE_REVIEWS = 953
#: Reviews on which the threshold was chosen.
SWEEP_REVIEWS = 919
#: The threshold in force.
THRESHOLD = 0.90

#: Seconds on the GPU over all reviews.
SMALL_S = 7.41
T5_S = 253.22
#: As the poster prints it, and as the study's notebook logged it.
UL2_PRINTED_S = 301.77
UL2_S = 401.77
HYBRID_T5_S = 29.625
HYBRID_UL2_S = 42.629

#: Seconds on the CPU: the poster's two models and their hybrid, and DistilBERT as the notebook logged it.
SMALL_CPU_S = 44.63
SMALL_CPU_LOGGED_S = 461.0
T5_CPU_S = 6479.03
HYBRID_T5_CPU_S = 884.114


class Published(NamedTuple):
    """One threshold of the study's sweep: seconds and accuracy of either hybrid."""

    threshold: float
    t5_s: float
    t5_accuracy: float
    ul2_s: float
    ul2_accuracy: float


SWEEP = (
    Published(0.60, 10.99, 0.94777, 13.08, 0.94886),
    Published(0.65, 14.07, 0.94886, 17.89, 0.94886),
    Published(0.70, 16.63, 0.9510, 22.75, 0.95212),
    Published(0.75, 20.89, 0.9532, 28.56, 0.95647),
    Published(0.80, 26.07, 0.95321, 36.33, 0.95756),
    Published(0.85, 29.91, 0.95647, 42.59, 0.96083),
    Published(0.90, 38.01, 0.96192, 55.45, 0.96627),
    Published(0.95, 49.08, 0.96192, 71.51, 0.96844),
)


def routed_by_t5(total_s: float) -> float:
    """Return how many reviews the hybrid with Flan-T5 must have routed to take so many seconds."""
    return routed_reviews(total_s, SMALL_S, T5_S, LARGE_REVIEWS)


def routed_by_ul2(total_s: float, ul2_s: float = UL2_S) -> float:
    """Return the same of the hybrid with Flan-UL2.

    Args:
        total_s: Seconds it took.
        ul2_s: Seconds of Flan-UL2 over all reviews; the poster's figure cannot be right.
    """
    return routed_reviews(total_s, SMALL_S, ul2_s, LARGE_REVIEWS)
