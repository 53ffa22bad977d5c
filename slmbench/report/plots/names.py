"""Bubbles of the plot of accuracy against latency, the line of the front, and names clear of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from slmbench.common.plotting import DPI, GREY, INK, halo
from slmbench.compare.front import pareto_front
from slmbench.records import Row

#: Rows that are named, and whose curves and tables are drawn; more could not be read.
_MOST = 24
#: Which they are.
FOREMOST = "the recommended, the Pareto front, and the most accurate"
#: Steps of the placement: a number and not a time, so that the same rows give the same plot.
_STEPS = 300
#: Pixels between a bubble and its name before names are moved apart.
_GAP = 8


def foremost(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that plots show in detail, in their order: all, or the first ones by :data:`FOREMOST`."""
    ranked = sorted(rows, key=lambda row: (not row.recommended, not row.pareto, -(row.accuracy or 0.0)))
    chosen = set(map(id, ranked[:_MOST]))
    return [row for row in rows if id(row) in chosen]


def place_names(axes: Any, rows: Sequence[Row], largest: int) -> None:
    """Write the names of the :func:`foremost` rows beside their bubbles, with a line where one had to move.

    Args:
        axes: The axes, drawn and of their final size.
        rows: The rows drawn.
        largest: Size in bytes of the largest bubble.
    """
    from adjustText import adjust_text
    from matplotlib.transforms import Bbox

    in_data = axes.transData.inverted()
    texts, bubbles, named = [], [], {id(row) for row in foremost(rows)}
    for row in rows:
        x, y = axes.transData.transform(point(row))
        radius = math.sqrt(area(row.size_bytes or 0, largest) / math.pi) * DPI / 72
        bubbles.append(Bbox.from_extents(x - radius, y - radius, x + radius, y + radius))
        if id(row) not in named:
            continue
        # Names stand where their bubble has no neighbour, so that few have to move.
        left = _crowded_right(axes, row, rows)
        start = in_data.transform((x - radius - _GAP if left else x + radius + _GAP, y))
        texts.append(
            axes.text(
                *start,
                row.label,
                fontsize=8,
                color=INK,
                fontweight="bold" if row.recommended else "normal",
                ha="right" if left else "left",
                va="center",
                zorder=6,
                path_effects=halo(),
            )
        )
    lines = [box.transformed(in_data) for box in _lines(axes, rows)]
    xs, ys = zip(*map(point, foremost(rows)), strict=True)
    adjust_text(
        texts,
        target_x=xs,
        target_y=ys,
        objects=[*(box.transformed(in_data) for box in bubbles), *lines],
        ax=axes,
        avoid_self=False,
        explode_radius=0,
        expand=(1.02, 1.1),
        force_text=(0.1, 0.3),
        force_static=(0.05, 0.25),
        force_pull=(0, 0),
        iter_lim=_STEPS,
        min_arrow_len=45,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "zorder": 1.5},
    )


def _crowded_right(axes: Any, row: Row, rows: Sequence[Row]) -> bool:
    """Tell whether the nearest other bubble at about the same height is to the right."""
    places = axes.transData.transform([point(other) for other in rows if other is not row])
    x, y = axes.transData.transform(point(row))
    near = [(abs(px - x), px > x) for px, py in places if abs(py - y) < 60]
    return min(near)[1] if near else False


def _lines(axes: Any, rows: Sequence[Row]) -> list[Any]:
    """Return thin boxes, in pixels, around the steps of the front."""
    from matplotlib.transforms import Bbox

    front = front_line(rows)
    ends = [*front[1:], *((axes.get_xlim()[1], y) for _, y in front[-1:])]
    segments = []
    for (x, y), (next_x, next_y) in zip(front, ends, strict=True):
        segments += [((x, y), (next_x, y)), ((next_x, y), (next_x, next_y))]
    ends_in_pixels = [axes.transData.transform([start, end]) for start, end in segments]
    return [Bbox.from_extents(x0 - 2, y0 - 2, x1 + 2, y1 + 2) for (x0, y0), (x1, y1) in ends_in_pixels]


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
