"""Whether plots can be drawn, and the colours and the style that they share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, require_extra

DPI = 150
INK = "#222222"
GREY = "#8a8a8a"
GRID = "#e4e4e4"
HIGHLIGHT = "#1b1b1b"

#: Okabe & Ito's palette, distinguishable with every common colour blindness; its yellow is too light on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B3A8C", "#000000")
#: Forms of one bundle share its colour and differ by line.
LINES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))


def reason_for_no_plots() -> str | None:
    """Return why nothing can be drawn here: the ``report`` extra is not installed; ``None`` where it is."""
    try:
        for module in ("matplotlib", "adjustText"):
            require_extra(module, "report", "drawing plots")
    except SlmbenchError as missing:
        return str(missing)
    return None


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure, in inches, that knows nothing of windows or global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Any) -> None:
    """Give axes a light grid and no box."""
    axes.set_facecolor("white")
    axes.grid(visible=True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8, which="both")


def colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name, in the order of first appearance."""
    return {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(dict.fromkeys(names))}


def halo() -> list[Any]:
    """Return a white outline for text that has to be read over lines."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="white")]


def fix_layout(figure: Any) -> None:
    """Give everything in a figure its place, once; otherwise it is drawn twice, first to find the places."""
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG."""
    fix_layout(figure)
    figure.savefig(path, dpi=DPI, facecolor="white", metadata={"Software": "slmbench"})
