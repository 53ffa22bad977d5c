"""Position and size of a row's bubble in the plot of accuracy against latency, and the line of the front."""

from __future__ import annotations

from collections.abc import Sequence

from slmbench.compare.front import pareto_front
from slmbench.records import Row

#: Area of the largest bubble, in square points.
_LARGEST = 1100.0


def point(row: Row) -> tuple[float, float]:
    """Return the position of a measured row: milliseconds and per cent."""
    return row.p50_ms or 0.0, (row.accuracy or 0.0) * 100


def area(size: float, largest: int) -> float:
    """Return the area of a bubble, in square points: in proportion to the bytes, never too small to see."""
    return max(9.0, _LARGEST * size / max(1, largest))


def front_line(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Return the corners of the front in the plotted plane, from fast to slow.

    The front may be over p95 while the plot shows p50: rows that p50 orders otherwise stay ringed but off the
    line, which so never falls.
    """
    corners = [point(row) for row in rows if row.pareto]
    kept = pareto_front([(x, -y) for x, y in corners])
    return sorted(corner for corner, on_line in zip(corners, kept, strict=True) if on_line)
