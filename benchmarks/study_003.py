"""How many reviews study 003's hybrids routed, recomputed from their published runtimes.

python benchmarks/study_003.py
"""

from __future__ import annotations

from slmbench.cascade.arithmetic import break_even, routed_reviews
from slmbench.cascade.study_003 import (
    HYBRID_REVIEWS,
    HYBRID_T5_CPU_S,
    HYBRID_T5_S,
    HYBRID_UL2_S,
    LARGE_REVIEWS,
    SMALL_CPU_LOGGED_S,
    SMALL_CPU_S,
    SMALL_S,
    SWEEP,
    SWEEP_REVIEWS,
    T5_CPU_S,
    T5_S,
    THRESHOLD,
    UL2_PRINTED_S,
    UL2_S,
    routed_by_t5,
    routed_by_ul2,
)


def main() -> None:
    """Print everything."""
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
