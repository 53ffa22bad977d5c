"""How many reviews study 003's hybrid systems routed, recomputed from their published runtimes.

    python benchmarks/studies/study_003.py

The study (Xiao, Li & Chen, poster, July 2024) let DistilBERT answer Amazon reviews and sent those below a top-1
probability of .90 to Flan-T5-XXL or Flan-UL2. It published runtimes and never how many reviews were routed.
"""

from __future__ import annotations

from typing import NamedTuple

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

#: Seconds of the study's models over all reviews on an A100, in fp32 at batch 1; of ELECTRA its poster's.
STUDY_S = {
    "distilbert-base-uncased": SMALL_S,
    "google/electra-base-discriminator": 12.75,
    "google/flan-t5-xxl": T5_S,
    "google/flan-ul2": UL2_S,
}

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


def routed_reviews(total: float, small: float, large: float, large_reviews: int) -> float:
    """Return how many reviews a cascade must have routed to take as long as it did.

    Args:
        total: Time the cascade took.
        small: Time the small model takes over all reviews.
        large: Time the large model took over ``large_reviews`` reviews.
        large_reviews: How many those were.
    """
    return (total - small) / (large / large_reviews)


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


def main() -> None:
    """Print the recomputation."""
    from slmbench.cascade.thresholds import break_even

    print(f"The sweep on {SWEEP_REVIEWS} reviews: the same small model at the same threshold routes the same")
    print("reviews, whichever model answers them, so the two columns of routed reviews have to agree.")
    print(f"{'':10} {'Flan-T5':>8} {'':>7} {'':>8} {'Flan-UL2':>9} {'':>7} {'routed':>8} {'routed, if UL2':>15}")
    print(
        f"{'threshold':10} {'s':>8} {'acc.':>7} {'routed':>8} {'s':>9} {'acc.':>7} {'':>8}"
        f" {f'took {UL2_PRINTED_S} s':>15}"
    )
    for row in SWEEP:
        print(
            f"{row.threshold:<10.2f} {row.t5_s:>8.2f} {row.t5_accuracy:>7.4f} {routed_by_t5(row.t5_s):>8.1f}"
            f" {row.ul2_s:>9.2f} {row.ul2_accuracy:>7.4f} {routed_by_ul2(row.ul2_s):>8.1f}"
            f" {routed_by_ul2(row.ul2_s, UL2_PRINTED_S):>15.1f}"
        )
    print()
    t5, ul2 = routed_by_t5(HYBRID_T5_S), routed_by_ul2(HYBRID_UL2_S)
    print(f"The evaluation, threshold {THRESHOLD:.2f}, {HYBRID_REVIEWS} reviews:")
    print(f"  Hybrid-T5  {HYBRID_T5_S} s: {t5:.1f} reviews routed ({100 * t5 / HYBRID_REVIEWS:.1f} %)")
    print(f"  Hybrid-UL2 {HYBRID_UL2_S} s: {ul2:.1f} with Flan-UL2 at {UL2_S} s, as logged")
    printed = routed_by_ul2(HYBRID_UL2_S, UL2_PRINTED_S)
    print(f"  {'':21} {printed:.1f} with Flan-UL2 at {UL2_PRINTED_S} s, as printed: the two hybrids disagree")
    print()
    per_small = SMALL_S / HYBRID_REVIEWS
    for name, seconds in (("Flan-T5", T5_S), ("Flan-UL2", UL2_S)):
        share = break_even(per_small, seconds / LARGE_REVIEWS)
        print(f"A hybrid is as slow as {name} alone when it routes {100 * share:.1f} % of the reviews.")
    print()
    print(f"On the CPU the published figures do not fit together (Hybrid-T5 {HYBRID_T5_CPU_S} s):")
    for name, seconds in (("as printed", SMALL_CPU_S), ("as logged", SMALL_CPU_LOGGED_S)):
        routed = routed_reviews(HYBRID_T5_CPU_S, seconds, T5_CPU_S, LARGE_REVIEWS)
        print(f"  DistilBERT {seconds} s {name}: {routed:.1f} reviews routed, {t5:.1f} on the GPU")


if __name__ == "__main__":
    main()
