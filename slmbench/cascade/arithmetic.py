"""What a cascade costs: every review takes the small model's time, the routed ones the large model's as well."""

from __future__ import annotations


def cascade_time(small: float, large: float, routed: float) -> float:
    """Return the time a cascade takes.

    Args:
        small: Time of the small model, a review or in all.
        large: Time of the large model over the same reviews, in the same unit.
        routed: Share of the reviews that goes on to the large model.
    """
    return small + routed * large


def break_even(small: float, large: float) -> float:
    """Return the share of routed reviews at which a cascade takes as long as the large model alone.

    Args:
        small: Time of the small model over some reviews.
        large: Time of the large model over the same reviews.

    Returns:
        At most 1; below 0 where the small model alone is slower than the large one.
    """
    return 1 - small / large
