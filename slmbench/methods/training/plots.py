"""Plots of a head's training: its curves, and the tokens in study 002's concept spaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.plotting import GREY, PALETTE, new_figure, plain_axes, save
from slmbench.corpora import Split

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from slmbench.models.headed import HeadedClassifier

#: Maximum length of a review in the projection, in tokens, as in the study.
MAX_TOKENS = 16
#: Number of reviews in the projection.
MAX_REVIEWS = 100
#: Panels side by side.
_COLUMNS = 3
_CURVES = {"loss": "loss", "accuracy": "accuracy", "macro_f1": "macro-F1"}


def draw_curves(epochs: Sequence[dict[str, float]], kept: float | None, path: Path) -> None:
    """Draw loss, accuracy and macro-F1 over the epochs, in training and on the validation reviews.

    Args:
        epochs: One entry per epoch, from :func:`slmbench.methods.training.heads.train_head`.
        kept: The epoch whose weights were kept; ``None`` when no epoch was picked.
        path: The PNG file to write.
    """
    figure = new_figure(9.6, 3.0)
    for axes, (name, title) in zip(figure.subplots(1, len(_CURVES)), _CURVES.items(), strict=True):
        plain_axes(axes)
        for side, colour in (("train", GREY), ("validation", PALETTE[0])):
            points = [(line["epoch"], line[f"{side}_{name}"]) for line in epochs if f"{side}_{name}" in line]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, label=side, marker="o", markersize=2.5)
        if kept is not None:
            axes.axvline(kept, color=GREY, linewidth=1, linestyle=":", label="kept")
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.axes[0].legend(fontsize=8, frameon=False)
    save(figure, path)


def draw_projection(
    model: HeadedClassifier, tokenizer: PreTrainedTokenizerFast, rows: Split, labels: Sequence[str], path: Path
) -> None:
    """Draw the tokens of short reviews in each concept space, as an HTML page that works offline.

    A space of three dimensions is drawn as it is, a larger one through its three principal components.

    Args:
        model: A classifier with a :class:`slmbench.models.headed.SpaceHead`.
        tokenizer: Its tokenizer.
        rows: Reviews; the shortest :data:`MAX_REVIEWS` are drawn, cut to :data:`MAX_TOKENS` tokens.
        labels: Label names in id order.
        path: The HTML file to write.
    """
    from plotly.graph_objects import Scatter3d
    from plotly.subplots import make_subplots

    lengths = [len(ids) for ids in tokenizer(rows.texts)["input_ids"]]
    chosen = np.argsort(lengths, kind="stable")[:MAX_REVIEWS]
    cut = sum(lengths[row] > MAX_TOKENS for row in chosen)
    concepts, words, owner = _concepts(model, tokenizer, [rows.texts[row] for row in chosen])
    truth = np.array([rows.labels[row] for row in chosen])[owner]
    spaces = [three_dimensions(space) for space in np.split(concepts, len(labels), axis=1)]
    columns = min(len(labels), _COLUMNS)
    lines = -(-len(labels) // columns)
    figure = make_subplots(
        rows=lines,
        cols=columns,
        specs=[[{"type": "scene"}] * columns] * lines,
        subplot_titles=[f"space of '{label}'{note}" for label, (_, note) in zip(labels, spaces, strict=True)],
        horizontal_spacing=0.02,
        vertical_spacing=0.06,
    )
    for space, (points, _) in enumerate(spaces):
        for label, name in enumerate(labels):
            shown = truth == label
            figure.add_trace(
                Scatter3d(
                    x=points[shown, 0],
                    y=points[shown, 1],
                    z=points[shown, 2],
                    mode="markers",
                    marker={"size": 3, "color": PALETTE[label % len(PALETTE)], "opacity": 0.75},
                    text=[f"{words[token]} (review {owner[token] + 1})" for token in np.flatnonzero(shown)],
                    hoverinfo="text",
                    name=f"tokens of {name} reviews",
                    legendgroup=name,
                    showlegend=space == 0,
                ),
                row=space // columns + 1,
                col=space % columns + 1,
            )
    figure.update_layout(
        title=(
            f"Tokens of the {len(chosen)} shortest test reviews in the concept spaces"
            f" (at most {MAX_TOKENS} tokens each; {cut} reviews were cut)"
        ),
        template="plotly_white",
        height=620 * lines,
        legend={"orientation": "h", "y": -0.02, "itemsizing": "constant"},
    )
    figure.write_html(path, include_plotlyjs=True, include_mathjax=False)


def _concepts(
    model: HeadedClassifier, tokenizer: PreTrainedTokenizerFast, texts: list[str]
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the tokens' coordinates, shape (tokens, labels x latents), the tokens, and the review of each."""
    import torch

    batch = tokenizer(texts, truncation=True, max_length=MAX_TOKENS, padding=True, return_tensors="pt").to(
        model.device
    )
    used = batch["attention_mask"].bool()
    with torch.inference_mode():
        concepts = model.head.concepts(model.encoder(**batch)[0])[used]
    words = tokenizer.convert_ids_to_tokens(batch["input_ids"][used].tolist())
    return concepts.float().cpu().numpy(), words, used.nonzero()[:, 0].cpu().numpy()


def three_dimensions(space: np.ndarray) -> tuple[np.ndarray, str]:
    """Reduce a space to three dimensions.

    Args:
        space: Points, shape (points, m).

    Returns:
        The points, shape (points, 3): unchanged (padded with zeros) when m is at most 3, else their three principal
        components; and a note for the title.
    """
    latents = space.shape[1]
    if latents <= 3:
        return np.pad(space, ((0, 0), (0, 3 - latents))), ""
    centred = space - space.mean(0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    share = (scale[:3] ** 2).sum() / max((scale**2).sum(), np.finfo(scale.dtype).tiny)
    return left[:, :3] * scale[:3], f": 3 principal components of {latents}, {100 * share:.0f} % of the variance"
