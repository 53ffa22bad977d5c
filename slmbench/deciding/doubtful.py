"""Rows that a person should look at: labels that may be wrong, and texts that are worth a label."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slmbench.common.files import write_atomically
from slmbench.common.formatting import no_formula
from slmbench.corpora.near_duplicates import RESEMBLANCE, resemblance

#: Rows that are looked at, at most, and folds of their cross-validation.
MAX_ROWS, FOLDS = 5000, 5
#: Texts to label next: what a person labels in half an hour.
NEXT_LABELS = 50


class Suspect(NamedTuple):
    """A row whose label may be wrong: its place, the label that was found likelier, and both probabilities."""

    row: int
    likelier: int
    given_probability: float
    likelier_probability: float


def suspected_labels(texts: Sequence[str], labels: Sequence[int], seed: int) -> list[Suspect]:
    """Return rows whose label a classifier that has not seen them contradicts with confidence.

    A row is suspected when some other label is likelier than the given one and at least as likely as it is, on
    average, for the rows that carry it: the confident joint of Northcutt, Jiang and Chuang (*Confident Learning*,
    JAIR 70, 2021), with the probabilities of TF-IDF and logistic regression in cross-validation.

    Args:
        texts: Training texts.
        labels: Their label ids.
        seed: Seed of the folds, and of which rows are looked at where there are more than 5,000.

    Returns:
        The rows, the least likely labels first; none where a label has fewer rows than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from slmbench.methods.training.tfidf import TfidfFeatures
    from slmbench.methods.training.tfidf_choice import TfidfSettings, logistic_regression

    rows = np.sort(np.random.default_rng(seed).permutation(len(texts))[:MAX_ROWS])
    known, given = np.unique(np.asarray(labels)[rows], return_inverse=True)
    if len(known) < 2 or np.bincount(given).min() < FOLDS:
        return []
    settings = TfidfSettings()
    features = TfidfFeatures(settings, len(rows)).fit_transform([texts[row] for row in rows])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    chances = cross_val_predict(
        logistic_regression(settings, seed), features, given, cv=folds, method="predict_proba"
    )
    usual = np.array([chances[given == label, label].mean() for label in range(len(known))])
    own = chances[np.arange(len(rows)), given]
    likelier = np.where(chances >= usual, chances, -1.0).argmax(1)
    best = chances[np.arange(len(rows)), likelier]
    wrong = np.flatnonzero((best >= usual[likelier]) & (likelier != given) & (best > own))
    return [
        Suspect(int(rows[at]), int(known[likelier[at]]), float(own[at]), float(best[at]))
        for at in wrong[np.argsort(own[wrong] - best[wrong], kind="stable")]
    ]


def worth_a_label(texts: Sequence[str], probabilities: np.ndarray, most: int = NEXT_LABELS) -> list[int]:
    """Return which texts to label next: those with the smallest margin between the two likeliest labels.

    Margin sampling (Scheffer, Decomain and Wrobel, *Active Hidden Markov Models*, 2001), without near-duplicates of
    texts that were taken already.

    Args:
        texts: Texts without a label.
        probabilities: What the classifier gives each, shape (texts, labels).
        most: How many texts.
    """
    two = np.sort(probabilities, axis=1)[:, -2:]
    taken: list[int] = []
    for place in np.argsort(two[:, 1] - two[:, 0], kind="stable"):
        if len(taken) == most:
            break
        if all(resemblance(texts[place], texts[other]) < RESEMBLANCE for other in taken):
            taken.append(int(place))
    return taken


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file, whole or not at all; no cell is a formula to a spreadsheet."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(header)
    table.writerows([no_formula(cell) for cell in row] for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, written.getvalue())
