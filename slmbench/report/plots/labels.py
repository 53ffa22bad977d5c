"""Names beside bubbles: each where it hides and crosses least."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from slmbench.common.plotting import DPI, GREY, INK, halo
from slmbench.report.plots.plane import area, front_line, point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.records import Row

#: Where a label may stand: direction from the bubble's centre, in the order tried.
_DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


def place_labels(figure: Any, axes: Any, rows: Sequence[Row], largest: int) -> None:
    """Write each row's name beside its bubble, where it hides least; far ones get a thin leader."""
    from matplotlib.transforms import Bbox

    renderer = figure.canvas.get_renderer()
    pixels_per_point = DPI / 72
    taken = []
    for row in rows:
        x, y = axes.transData.transform(point(row))
        radius = math.sqrt(area(row.size_bytes or 0, largest) / math.pi) * pixels_per_point
        taken.append(Bbox.from_extents(x - radius, y - radius, x + radius, y + radius))
    bubbles = list(taken)
    lines = _line_boxes(axes, rows)
    inside = axes.get_window_extent(renderer)
    # Recommended and front rows first: theirs are the names that must stand close.
    order = sorted(range(len(rows)), key=lambda i: (not rows[i].recommended, not rows[i].pareto))
    for i in order:
        row, bubble = rows[i], bubbles[i]
        text = axes.annotate(
            row.label,
            point(row),
            xytext=(0, 0),
            textcoords="offset pixels",
            fontsize=8,
            color=INK,
            fontweight="bold" if row.recommended else "normal",
            ha="center",
            va="center",
            zorder=6,
            path_effects=halo(),
        )
        box = text.get_window_extent(renderer)
        half_width, half_height = box.width / 2, box.height / 2
        centre_x, centre_y = (bubble.x0 + bubble.x1) / 2, (bubble.y0 + bubble.y1) / 2
        best: tuple[float, float, float, Bbox] | None = None
        for gap in (4, 12, 24, 40, 60, 85):
            for rank, (right, up) in enumerate(_DIRECTIONS):
                reach = bubble.width / 2 + gap * pixels_per_point
                slant = 0.75 if right and up else 1.0
                dx, dy = right * (reach * slant + half_width), up * (reach * slant + half_height)
                moved = Bbox.from_bounds(
                    centre_x + dx - half_width - 3,
                    centre_y + dy - half_height - 2,
                    box.width + 6,
                    box.height + 4,
                )
                hidden = sum(_overlap(moved, other) for other in taken)
                crossed = sum(_overlap(moved, line) for owner, line in lines if owner is not row)
                outside = moved.width * moved.height - _overlap(moved, inside)
                cost = 50 * (hidden + outside) + 6 * crossed + gap * 40 + rank
                if best is None or cost < best[0]:
                    best = (cost, dx, dy, moved)
        if best is None:
            continue
        _, dx, dy, moved = best
        text.set_position((dx, dy))
        taken.append(moved)
        if (
            math.hypot(max(0, abs(dx) - half_width), max(0, abs(dy) - half_height))
            > bubble.width / 2 + 14 * pixels_per_point
        ):
            _leader(axes, row, (dx, dy), (half_width, half_height))


def _line_boxes(axes: Any, rows: Sequence[Row]) -> list[tuple[Row | None, Any]]:
    """Return thin boxes around what labels should not cross: intervals, with their rows, and the front."""
    from matplotlib.transforms import Bbox

    segments: list[tuple[Row | None, tuple[float, float], tuple[float, float]]] = []
    for row in rows:
        if row.accuracy_ci95:
            x, (low, high) = point(row)[0], row.accuracy_ci95
            segments.append((row, (x, low * 100), (x, high * 100)))
    front = front_line(rows)
    ends = [*front[1:], *((axes.get_xlim()[1], y) for _, y in front[-1:])]
    for (x, y), (next_x, next_y) in zip(front, ends, strict=True):
        segments += [(None, (x, y), (next_x, y)), (None, (next_x, y), (next_x, next_y))]
    boxes: list[tuple[Row | None, Any]] = []
    for owner, start, end in segments:
        (x0, y0), (x1, y1) = axes.transData.transform([start, end])
        boxes.append((owner, Bbox.from_extents(x0 - 2, y0 - 2, x1 + 2, y1 + 2)))
    return boxes


def _leader(axes: Any, row: Row, to: tuple[float, float], half: tuple[float, float]) -> None:
    """Draw a thin line from a bubble to the nearest edge of its label."""
    dx, dy = to
    end = (dx - math.copysign(min(half[0], abs(dx)), dx), dy - math.copysign(min(half[1], abs(dy)), dy))
    axes.annotate(
        "",
        point(row),
        xytext=end,
        textcoords="offset pixels",
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6},
        zorder=1.5,
    )


def _overlap(first: Any, second: Any) -> float:
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return max(0.0, width) * max(0.0, height)
