"""A sweep as a picture: median and interval over the setting, the best one marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.plotting import HIGHLIGHT, INK, PALETTE, new_figure, plain_axes, save
from slmbench.records.sweep import AXIS_TITLES, tick

if TYPE_CHECKING:
    from pathlib import Path

    from slmbench.records.sweep import SweepRecord


def plot_sweep(record: SweepRecord, path: Path) -> None:
    """Draw a sweep and write it as PNG."""
    values, medians, intervals = record.curve()
    figure = new_figure(6.4, 3.8)
    axes = figure.add_subplot()
    plain_axes(axes)
    # Settings double: evenly spaced they can all be read. Lengths are a quantity, on a scale of their own.
    places = list(values) if record.axis == "length" else list(range(len(values)))
    axes.fill_between(places, intervals[:, 0], intervals[:, 1], color=PALETTE[0], alpha=0.2, linewidth=0)
    axes.plot(places, medians, color=PALETTE[0], marker="o", markersize=4)
    if record.best is not None:
        best = values.index(record.best)
        axes.plot(places[best], medians[best], marker="*", markersize=14, color=HIGHLIGHT)
    if record.axis != "length":
        axes.set_xticks(places, [tick(record.axis, value) for value in values])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(AXIS_TITLES[record.axis], color=INK, fontsize=9)
    axes.set_ylabel("ms a review, median and 95 % interval", color=INK, fontsize=9)
    axes.set_title(f"{record.bundle} {record.form}, {record.hardware['machine']}", color=INK, fontsize=9)
    save(figure, path)
