"""The ROC curve of a form, as both reports draw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from slmbench.records import Predictions
from slmbench.statistics import roc_auc, roc_curve

#: False-positive rates at which one-against-rest curves are averaged.
_GRID = np.linspace(0, 1, 501)


class FormCurve(NamedTuple):
    """A ROC curve: rates from (0, 0) to (1, 1), and the area under it."""

    area: float
    false_positive: np.ndarray
    true_positive: np.ndarray


def form_curve(predictions: Predictions) -> FormCurve | None:
    """Return the ROC curve of a form; for more than two labels the mean of its one-against-rest curves.

    Args:
        predictions: Predictions on the test rows.

    Returns:
        The curve, or ``None`` where it is not defined: a label has no rows, or all of them.
    """
    probabilities, truth = np.asarray(predictions.probabilities), np.asarray(predictions.truth)
    area = roc_auc(truth, probabilities)
    if area is None:
        return None
    if probabilities.shape[1] == 2:
        return FormCurve(area, *roc_curve(truth == 1, probabilities[:, 1]))
    curves = [roc_curve(truth == label, probabilities[:, label]) for label in range(probabilities.shape[1])]
    mean = np.mean([np.interp(_GRID, false, true) for false, true in curves], axis=0)
    return FormCurve(area, np.concatenate([[0.0], _GRID]), np.concatenate([[0.0], mean]))


def rate_titles(labels: Sequence[str]) -> tuple[str, str]:
    """Return the titles of the two axes."""
    if len(labels) == 2:
        return (
            f"false-positive rate: “{labels[0]}” taken for “{labels[1]}”",
            f"true-positive rate: “{labels[1]}” found",
        )
    return "false-positive rate", "true-positive rate, mean over each label against the rest"
