"""ROC curves of all models, and their confusion matrices side by side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from slmbench.common.formatting import percent
from slmbench.common.plotting import GREY, INK, LINES, colours, new_figure, plain_axes, save
from slmbench.records import Predictions
from slmbench.report.roc import form_curve, rate_titles
from slmbench.statistics import row_shares


def draw_roc(forms: Mapping[tuple[str, str], Predictions], path: Path, note: str = "") -> None:
    """Draw one ROC curve a form; for more than two labels the mean of its one-against-rest curves.

    Args:
        forms: Predictions by bundle and form.
        path: The PNG to write.
        note: Written above.
    """
    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    plain_axes(axes)
    colour = colours(bundle for bundle, _ in forms)
    lines = {form: LINES[number % len(LINES)] for number, form in enumerate(dict.fromkeys(form for _, form in forms))}
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    drawn = []
    for (bundle, form), predictions in forms.items():
        curve = form_curve(predictions)
        if curve is not None:
            drawn.append((curve, bundle, form))
    # Best first, so that the legend reads as a ranking.
    for curve, bundle, form in sorted(drawn, key=lambda entry: -entry[0].area):
        axes.plot(
            curve.false_positive,
            curve.true_positive,
            color=colour[bundle],
            linestyle=lines[form],
            linewidth=1.5,
            label=f"{curve.area:.3f}  {bundle} {form}",
        )
    rates = rate_titles(next(iter(forms.values())).labels)
    axes.set_xlabel(rates[0], fontsize=9, color=INK)
    axes.set_ylabel(rates[1], fontsize=9, color=INK)
    axes.set_xlim(-0.01, 1.0)
    axes.set_ylim(0, 1.01)
    axes.set_aspect("equal")
    axes.set_title(note, fontsize=8, color=INK)
    if drawn:
        axes.legend(
            loc="lower right",
            frameon=True,
            framealpha=0.9,
            edgecolor="none",
            fontsize=8 if len(drawn) <= 16 else 6,
            title="area under the curve",
            title_fontsize=8,
            labelcolor=INK,
            alignment="left",
            handlelength=2.6,
        )
    save(figure, path)


def draw_confusion(forms: Mapping[tuple[str, str], Predictions], path: Path, note: str = "") -> None:
    """Draw one confusion matrix a form: colour is the share of the true label's row, text the counts.

    Args:
        forms: Predictions by bundle and form.
        path: The PNG to write.
        note: Written above.
    """
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("share", ["#ffffff", "#0072B2"])
    columns = min(4, len(forms))
    lines = math.ceil(len(forms) / columns)
    classes = max(len(predictions.labels) for predictions in forms.values())
    side = max(2.1, 0.62 * classes)
    figure = new_figure(columns * (side + 0.45) + 0.5, lines * (side + 0.65))
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes in panels.flat[len(forms) :]:
        axes.set_visible(False)
    for number, ((bundle, form), predictions) in enumerate(forms.items()):
        axes = panels.flat[number]
        evaluation = predictions.evaluate()
        counts, shares = np.asarray(evaluation.confusion), row_shares(evaluation.confusion)
        axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
        for true, predicted in np.ndindex(*counts.shape):
            axes.text(
                predicted,
                true,
                f"{counts[true, predicted]:,}",
                ha="center",
                va="center",
                fontsize=9 if classes <= 4 else 7,
                color="white" if shares[true, predicted] > 0.55 else INK,
            )
        # Two letters of this size take about a seventh of an inch.
        name = textwrap.fill(f"{bundle} {form}".strip(), int(14 * (side + 0.45)))
        axes.set_title(f"{name}\n{percent(evaluation.accuracy)}", fontsize=8.5, color=INK)
        ticks = range(len(predictions.labels))
        axes.set_xticks(ticks, predictions.labels, fontsize=7.5, color=INK, rotation=0 if classes <= 3 else 45)
        axes.set_yticks(
            ticks,
            predictions.labels if number % columns == 0 else [""] * len(predictions.labels),
            fontsize=7.5,
            color=INK,
            rotation=90 if classes <= 3 else 0,
            va="center",
        )
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_color(GREY)
            spine.set_linewidth(0.6)
    if note:
        figure.suptitle(note, fontsize=9, color=INK)
    figure.supxlabel("predicted label", fontsize=9, color=INK)
    figure.supylabel("true label", fontsize=9, color=INK)
    save(figure, path)
