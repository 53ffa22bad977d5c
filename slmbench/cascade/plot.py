"""Accuracy against runtime over the thresholds, as study 003 drew it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slmbench.cascade.thresholds import cascade_time, notable_rows
from slmbench.common.plotting import DPI, GREY, INK, PALETTE, halo, new_figure, plain_axes, reason_for_no_plots, save
from slmbench.common.progress import Progress
from slmbench.records.cascade import CascadeFacts, SweepRow

#: The plot's file inside the bundle.
PLOT = "cascade.png"
#: Minimum distance of two labels, in points.
_MIN_DISTANCE = 26


def write_plot(facts: CascadeFacts, folder: Path, progress: Progress) -> str | None:
    """Draw the sweep into a folder.

    Args:
        facts: The cascade.
        folder: Where :data:`PLOT` is written.
        progress: Told when matplotlib is not there.

    Returns:
        The file's name, or ``None`` without matplotlib.
    """
    if missing := reason_for_no_plots():
        progress.say(missing)
        return None
    draw_sweep(facts, folder / PLOT)
    return PLOT


def draw_sweep(facts: CascadeFacts, path: Path) -> None:
    """Draw accuracy on the test rows against computed runtime, one point per threshold.

    The accuracy on the rows that chose the threshold is a dotted line; both members alone are points of their own.

    Args:
        facts: The cascade.
        path: The PNG to write.
    """
    figure = new_figure(7.4, 5.4)
    axes = figure.subplots()
    plain_axes(axes)
    axes.plot(
        [row.ms for row in facts.sweep],
        [100 * row.accuracy for row in facts.sweep],
        color=PALETTE[0],
        linewidth=1.5,
        marker="o",
        markersize=2.6,
        label=f"test reviews ({len(facts.test.row_ids):,})",
    )
    if facts.validation is not None:
        axes.plot(
            [cascade_time(facts.small_ms, facts.large_ms, row.validation_routed or 0.0) for row in facts.sweep],
            [100 * (row.validation_accuracy or 0.0) for row in facts.sweep],
            color=GREY,
            linewidth=1.1,
            linestyle=":",
            label=f"reviews that the threshold was chosen on ({len(facts.validation.routing.row_ids):,})",
        )
    for member, ms, colour in (
        (facts.small, facts.small_ms, PALETTE[2]),
        (facts.large, facts.large_ms, PALETTE[1]),
    ):
        low, high = member.evaluation.accuracy_ci95
        axes.plot([ms, ms], [100 * low, 100 * high], color=colour, linewidth=1, alpha=0.55)
        axes.plot(
            [ms], [100 * member.accuracy], linestyle="", marker="s", markersize=6, color=colour,
            label=f"{member.name} {member.form} alone",
        )  # fmt: skip
    chosen = next(row for row in facts.sweep if row.threshold == facts.threshold)
    axes.axvline(chosen.ms, color=GREY, linewidth=0.8, linestyle=(0, (1.2, 2)))
    axes.axhline(100 * chosen.accuracy, color=GREY, linewidth=0.8, linestyle=(0, (1.2, 2)))
    axes.plot(
        [chosen.ms], [100 * chosen.accuracy], linestyle="", marker="*", markersize=13, color=INK,
        label=f"threshold {chosen.threshold:.4g}, {chosen.routed * 100:.0f} % routed",
    )  # fmt: skip
    axes.set_xlabel("computed runtime, ms per review", fontsize=9, color=INK)
    axes.set_ylabel("accuracy, %", fontsize=9, color=INK)
    axes.margins(x=0.06, y=0.12)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8, labelcolor=INK)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    _annotate(axes, [chosen, *notable_rows(facts)])
    save(figure, path)


def _annotate(axes: Any, rows: Sequence[SweepRow]) -> None:
    """Write thresholds above their points in order, leaving out those too close to an earlier label."""
    placed: list[Any] = []
    for row in rows:
        point = (row.ms, 100 * row.accuracy)
        place = axes.transData.transform(point)
        if any(abs(place - other).max() < _MIN_DISTANCE * DPI / 72 for other in placed):
            continue
        placed.append(place)
        axes.annotate(
            f"{row.threshold:.2f}".lstrip("0"),
            point,
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
            path_effects=halo(),
        )
