"""ROC curves of all models, and their confusion matrices side by side."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from slmbench.compare.formatting import percent
from slmbench.plotting import GREY, INK, LINES, colours, new_figure, plain_axes, save
from slmbench.statistics import roc_auc, roc_curve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from slmbench.records import Predictions

#: False-positive rates at which one-against-rest curves are averaged.
_GRID = np.linspace(0, 1, 501)


def draw_roc(forms: Mapping[tuple[str, str], Predictions], path: Path) -> None:
    """Draw one ROC curve a form; for more than two labels the mean of its one-against-rest curves.

    Args:
        forms: Predictions by bundle and form.
        path: The PNG to write.
    """
    figure = new_figure(6.4, 6.0)
    axes = figure.subplots()
    plain_axes(axes)
    colour = colours(bundle for bundle, _ in forms)
    lines = {form: LINES[number % len(LINES)] for number, form in enumerate(dict.fromkeys(form for _, form in forms))}
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    drawn = []
    for (bundle, form), predictions in forms.items():
        probabilities, truth = np.asarray(predictions.probabilities), np.asarray(predictions.truth)
        area = roc_auc(truth, probabilities)
        if area is None:
            continue
        drawn.append((area, bundle, form, _curve(truth, probabilities)))
    # Best first, so that the legend reads as a ranking.
    for area, bundle, form, (false_positive, true_positive) in sorted(drawn, key=lambda entry: -entry[0]):
        axes.plot(
            false_positive,
            true_positive,
            color=colour[bundle],
            linestyle=lines[form],
            linewidth=1.5,
            label=f"{area:.3f}  {bundle} {form}",
        )
    labels = next(iter(forms.values())).labels
    if len(labels) == 2:
        rates = (
            f"false-positive rate: “{labels[0]}” taken for “{labels[1]}”",
            f"true-positive rate: “{labels[1]}” found",
        )
    else:
        rates = ("false-positive rate", "true-positive rate, mean over each label against the rest")
    axes.set_xlabel(rates[0], fontsize=9, color=INK)
    axes.set_ylabel(rates[1], fontsize=9, color=INK)
    axes.set_xlim(-0.01, 1.0)
    axes.set_ylim(0, 1.01)
    axes.set_aspect("equal")
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


def _curve(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if probabilities.shape[1] == 2:
        return roc_curve(truth == 1, probabilities[:, 1])
    curves = [roc_curve(truth == label, probabilities[:, label]) for label in range(probabilities.shape[1])]
    mean = np.mean([np.interp(_GRID, false, true) for false, true in curves], axis=0)
    return np.concatenate([[0.0], _GRID]), np.concatenate([[0.0], mean])


def draw_confusion(forms: Mapping[tuple[str, str], Predictions], path: Path) -> None:
    """Draw one confusion matrix a form: colour is the share of the true label's row, text the counts.

    Args:
        forms: Predictions by bundle and form.
        path: The PNG to write.
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
        counts = np.asarray(evaluation.confusion)
        shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
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
    figure.supxlabel("predicted label", fontsize=9, color=INK)
    figure.supylabel("true label", fontsize=9, color=INK)
    save(figure, path)
