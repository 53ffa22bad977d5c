"""Which forms may be shipped, in one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slmbench.records import Parity
    from slmbench.statistics import PairedDifference


#: Test reviews below which the verdict says how few there were.
ENOUGH_REVIEWS = 200


def judge_reference(parity: Parity) -> tuple[bool, str]:
    """Judge the fp32 form, which has to answer as the trained model does on every review."""
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


def judge_form(parity: Parity, loss: PairedDifference, max_drop: float) -> tuple[bool, str]:
    """Judge another form by what it loses against fp32 on the same reviews.

    Args:
        parity: Against fp32.
        loss: Accuracy of the form minus that of fp32.
        max_drop: Largest loss of accuracy that is accepted, as a fraction.
    """
    change = f"accuracy {100 * loss.difference:+.1f} points against fp32"
    evidence = (
        f"{change} (95 % interval {100 * loss.ci95[0]:+.1f} to {100 * loss.ci95[1]:+.1f},"
        f" McNemar p = {loss.p_value:.2g}), {parity.label_flips} of {parity.reviews} labels changed"
    )
    if -loss.difference > max_drop:
        return False, f"{evidence}: more than the {100 * max_drop:.1f} points allowed (--max-accuracy-drop)"
    return True, evidence
