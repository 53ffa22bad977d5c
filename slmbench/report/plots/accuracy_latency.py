"""Accuracy against latency: a bubble a row, its area the size on disk, and the Pareto front as a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slmbench.common.formatting import MEGABYTE, limit, three_digits
from slmbench.common.plotting import GREY, HIGHLIGHT, INK, colours, fix_layout, new_figure, plain_axes, save
from slmbench.records import ComparisonRecord, Row
from slmbench.report.plots.names import area, front_line, place_names, point


def draw_accuracy_latency(record: ComparisonRecord, path: Path) -> None:
    """Draw every measured row, one panel a machine.

    Args:
        record: A comparison with at least one measured row.
        path: The PNG to write.
    """
    measured = [row for row in record.rows if row.p50_ms is not None]
    rows = [row for row in measured if row.accuracy is not None] or measured
    machines = [machine for machine in record.machines if any(row.machine == machine for row in rows)]
    figure = new_figure(8.6, 5.2 * len(machines))
    panels = figure.subplots(len(machines), 1, squeeze=False)[:, 0]
    colour = colours(row.name for row in rows)
    largest = max(row.size_bytes or 0 for row in rows)
    placing = []
    for axes, machine in zip(panels, machines, strict=True):
        shown = [row for row in rows if row.machine == machine]
        _panel(axes, shown, colour, largest)
        axes.set_title(record.machines[machine]["name"], fontsize=9, color=INK, loc="left")
        placing.append((axes, shown))
    _legend(figure, panels[0], rows, largest)
    # Labels are placed where there is room, which is known only once everything else has its place.
    fix_layout(figure)
    for axes, shown in placing:
        place_names(axes, shown, largest)
    save(figure, path)


def _panel(axes: Any, rows: Sequence[Row], colour: dict[str, str], largest: int) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    plain_axes(axes)
    axes.set_xscale("log")
    front = front_line(rows)
    # The line runs on to the right: nothing slower is worth its time unless it is more accurate.
    times = [point(row)[0] for row in rows]
    right = max(times) * 1.9
    if front:
        xs, ys = [x for x, _ in front], [y for _, y in front]
        axes.step(
            [*xs, right],
            [*ys, ys[-1]],
            where="post",
            color=GREY,
            linewidth=1.3,
            zorder=1,
            label="Pareto front",
        )
    for row in rows:
        x, y = point(row)
        low, high = row.accuracy_ci95 or (y / 100, y / 100)
        shade = colour[row.name] if row.refusal is None else GREY
        axes.plot([x, x], [low * 100, high * 100], color=shade, linewidth=1, alpha=0.55, zorder=2)
        axes.scatter(
            [x],
            [y],
            s=area(row.size_bytes or 0, largest),
            facecolor=shade if row.refusal is None else "white",
            edgecolor=HIGHLIGHT if row.pareto else shade,
            linewidth=1.4 if row.pareto else 0.8,
            alpha=0.8,
            zorder=3,
        )
        if row.recommended:
            axes.scatter([x], [y], s=55, marker="*", color="white", edgecolor=HIGHLIGHT, linewidth=0.7, zorder=5)
    axes.set_xlim(min(times) / 1.9, right)
    axes.set_xlabel("median latency of one review, ms (log scale)", fontsize=9, color=INK)
    axes.set_ylabel("accuracy, %", fontsize=9, color=INK)
    decades = math.log10(right / (min(times) / 1.9))
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if decades < 3.5 else (1,)))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: three_digits(value).rstrip("0").rstrip(".") if value < 1 else f"{value:,.0f}")
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.1)


def _legend(figure: Any, axes: Any, rows: Sequence[Row], largest: int) -> None:
    from matplotlib.lines import Line2D

    handles = []
    if any(row.pareto for row in rows):
        handles.append(Line2D([], [], color=GREY, linewidth=1.3, label="Pareto front"))
        handles.append(_dot("white", HIGHLIGHT, 7, "on the front", width=1.4))
    if any(row.recommended for row in rows):
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="*",
                color="white",
                markeredgecolor=HIGHLIGHT,
                markersize=8,
                label="recommended",
            )
        )
    if any(row.refusal is not None for row in rows):
        handles.append(_dot("white", GREY, 7, "refused at export"))
    for size in _legend_sizes(largest):
        handles.append(_dot("#d9d9d9", GREY, math.sqrt(area(size, largest)), f"{limit(size / MEGABYTE)} MB"))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        handletextpad=1.0,
        columnspacing=2.2,
        borderpad=1.0,
    )


def _dot(face: str, edge: str, diameter: float, label: str, width: float = 0.8) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        linestyle="",
        marker="o",
        markersize=diameter,
        markerfacecolor=face,
        markeredgecolor=edge,
        markeredgewidth=width,
        label=label,
    )


def _legend_sizes(largest: int) -> list[int]:
    """Return up to three round sizes that span the bubbles."""
    top = _round_down(largest)
    return [size for size in dict.fromkeys([_round_down(top // 10), _round_down(top // 3), top]) if size > 0]


def _round_down(size: int) -> int:
    if size < MEGABYTE // 10:
        return 0
    unit = 10 ** math.floor(math.log10(size))
    return next(step * unit for step in (5, 2, 1) if size >= step * unit)
