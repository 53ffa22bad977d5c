"""How the threshold was chosen, whether the cascade is accepted, and what limits its numbers, in sentences."""

from __future__ import annotations

from slmbench.cascade.cascade_options import CascadeOptions
from slmbench.cascade.choosing_rows import ENOUGH_REVIEWS
from slmbench.common.formatting import p_value, percent
from slmbench.records import Parity
from slmbench.records.cascade import CascadeFacts, ThresholdRows
from slmbench.statistics import SIGNIFICANCE, PairedDifference, paired_difference


def how_chosen(validation: ThresholdRows | None, options: CascadeOptions) -> str:
    """Describe how the threshold was chosen."""
    if options.threshold is not None or validation is None:
        return "given"
    kind = "that neither member has seen" if validation.kind == "unseen" else "that neither member was trained on"
    limit = "" if options.max_routed is None else f" among those that route at most {percent(options.max_routed)}"
    return (
        f"the least routing within one standard error of the best accuracy{limit}, on"
        f" {len(validation.routing.row_ids):,} reviews {kind}"
    )


def accept_cascade(facts: CascadeFacts, parity: Parity) -> tuple[bool, str]:
    """Decide whether the cascade is accepted.

    It is refused when its answers are not those of its two members, and when it never uses the large one.

    Args:
        facts: The cascade.
        parity: Its own answers compared with those of its members.

    Returns:
        Whether it is accepted, and why.
    """
    if parity.label_flips:
        return False, (
            f"{parity.label_flips} of {parity.reviews} labels differ from {parity.against}: it does not answer as the"
            " two models it was made of"
        )
    if not any(facts.test.routed(facts.threshold)):
        what = "at the threshold given" if facts.chosen == "given" else "no threshold is better than never using it"
        return False, f"{facts.large.name} is never used, {what}: ship {facts.small.name} alone"
    return True, (
        f"{percent(facts.routed)} of the test reviews are routed to {facts.large.name}: accuracy"
        f" {_difference(facts.against_small)} against {facts.small.name} and"
        f" {_difference(facts.against_large)} against {facts.large.name}"
    )


def notes_on(facts: CascadeFacts) -> list[str]:
    """Collect the limits of the numbers."""
    notes = []
    small, large = facts.small, facts.large
    if facts.validation is not None and facts.chosen != "given":
        reviews = len(facts.validation.routing.row_ids)
        if reviews < ENOUGH_REVIEWS:
            notes.append(
                f"only {reviews} reviews chose the threshold, fewer than the recommended {ENOUGH_REVIEWS}: others"
                " may choose another one"
            )
        if facts.validation.kind == "validation":
            notes.append(
                "the members left hardly a labelled review unseen: the threshold was chosen on validation reviews,"
                " some of which selected the epoch of a member, so it may favour that member slightly"
            )
    gain = paired_difference(small.predictions.right(), large.predictions.right())
    if gain.difference <= 0 or gain.p_value >= SIGNIFICANCE:
        worse = "less" if gain.difference < 0 and gain.p_value < SIGNIFICANCE else "not significantly more"
        notes.append(
            f"{large.name} alone is {worse} accurate than {small.name} alone on the test reviews: {_difference(gain)}"
        )
    if facts.break_even <= 0:
        notes.append(f"{small.name} is not faster than {large.name}: a cascade saves no time")
    elif facts.routed >= facts.break_even:
        notes.append(
            f"it routes {percent(facts.routed)}, more than the {percent(facts.break_even)} at which it takes as long"
            f" as {large.name} alone"
        )
    return notes


def _difference(difference: PairedDifference) -> str:
    low, high = difference.ci95
    return (
        f"{100 * difference.difference:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f},"
        f" McNemar {p_value(difference.p_value)})"
    )
