"""The Pareto front: what nothing else beats on every count."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Tell whether the first is nowhere worse than the second and somewhere better.

    Args:
        first: Costs, the smaller the better.
        second: The same costs of another.
    """
    return all(a <= b for a, b in zip(first, second, strict=True)) and any(
        a < b for a, b in zip(first, second, strict=True)
    )


def pareto_front(costs: Sequence[Sequence[float]]) -> list[bool]:
    """Tell which points no other dominates; equal points are on the front together.

    Args:
        costs: One entry a point, each with the same number of costs, the smaller the better. Negate what is
            better when larger.

    Returns:
        Whether each point is on the front.
    """
    return [not any(dominates(other, point) for other in costs) for point in costs]
