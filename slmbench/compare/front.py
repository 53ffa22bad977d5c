"""The Pareto front: what nothing else beats in every quantity that counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from slmbench.common.errors import UsageError
from slmbench.common.formatting import listing
from slmbench.compare.cells import Cell
from slmbench.compare.quantities import known_quantity, limited_quantities
from slmbench.records import Row
from slmbench.statistics import METRICS


class Front(NamedTuple):
    """The cells on the front, and the names of the quantities that it is over."""

    cells: list[Cell]
    axes: list[str]


def parse_axes(text: str) -> list[str]:
    """Read the axes of a front as a person writes them: ``accuracy,p50,size``.

    Args:
        text: Names of quantities, separated by commas.

    Returns:
        The names, in the order given.

    Raises:
        UsageError: A name is unknown or given twice, or there is only one.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        known_quantity(name)
    if len(set(names)) < max(2, len(names)):
        raise UsageError(f"--pareto takes two or more different names, such as accuracy,p50,size; it is '{text}'")
    return names


def front_of(
    cells: Sequence[Cell],
    axes: Sequence[str] | None = None,
    limits: Iterable[str] = (),
    metric: str = "accuracy",
) -> Front:
    """Return the Pareto front of cells.

    Args:
        cells: Cells of one machine, evaluated on the same reviews.
        axes: Names of quantities. ``None`` means the metric and what was limited besides metrics; without such a
            limit the metric and speed: p95 when every cell's samples support it, p50 otherwise, one statistic for
            all; throughput where speed is not judged by latency.
        limits: Names of the limits that were set.
        metric: Name of the metric that decides.

    Returns:
        The front. A cell of which an axis is not known is not on it.
    """
    if axes is None:
        supported = all(cell.row.p95_ms is not None for cell in cells)
        latency = "p95" if supported else "p50"
        speed = latency if all(cell.by_latency for cell in cells) else "throughput"
        limited = [limited_quantities()[name] for name in limits]
        costs_limited = [quantity.name for quantity in limited if quantity.field not in METRICS]
        axes = [metric.replace("_", "-"), *(costs_limited or [speed])]
    known = [(cell, cost) for cell in cells if (cost := costs(cell.row, axes)) is not None]
    on_front = pareto_front([cost for _, cost in known])
    return Front([cell for (cell, _), kept in zip(known, on_front, strict=True) if kept], list(axes))


def dominator(cell: Cell, cells: Sequence[Cell], axes: Sequence[str]) -> Cell | None:
    """Return the most accurate cell that is nowhere worse than this one and somewhere better, if any."""
    own = costs(cell.row, axes)
    if own is None:
        return None
    better = [other for other in cells if (cost := costs(other.row, axes)) is not None and dominates(cost, own)]
    return max(better, key=lambda other: other.accuracy, default=None)


def costs(row: Row, axes: Sequence[str]) -> list[float] | None:
    """Return what a row costs on each axis, the smaller the better; ``None`` when one of them is not known."""
    found = [known_quantity(name).cost(row) for name in axes]
    known = [cost for cost in found if cost is not None]
    return known if len(known) == len(found) else None


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Tell whether the first is nowhere worse than the second and somewhere better.

    Args:
        first: Costs, the smaller the better.
        second: The same costs of another.
    """
    return all(a <= b for a, b in zip(first, second, strict=True)) and any(
        a < b for a, b in zip(first, second, strict=True)
    )


def pareto_front(points: Sequence[Sequence[float]]) -> list[bool]:
    """Tell which points no other dominates; equal points are on the front together.

    Args:
        points: Costs of each point, each with the same number of them, the smaller the better. Negate what is better
            when larger.

    Returns:
        Whether each point is on the front.
    """
    return [not any(dominates(other, point) for other in points) for point in points]


def front_phrase(axes: Sequence[str]) -> str:
    """Say what being on the front means: ``no row is both more accurate and faster (p95)``."""
    if len(axes) == 2 and axes[0] == "accuracy" and axes[1] in ("p50", "p95"):
        return f"no row is both more accurate and faster ({axes[1]})"
    return f"no row is better in one of {listing(list(axes))} and as good in the others"
