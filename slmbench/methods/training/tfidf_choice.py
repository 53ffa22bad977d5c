"""How the TF-IDF baseline is set: by cross-validation on the training rows, so that it is a fair one.

The search goes step by step, and so costs a few fits and not a grid of them: counts (sublinear or not) and C for word
n-grams; then character n-grams beside the words (from the first where the texts have no words); then weights of
classes. Terms and their weights are those of all rows at hand: they are found without labels. To count n-grams takes
longer than to fit, so words are counted once, and characters on all rows only where they look promising on some.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from slmbench.edge.runtime import TOKEN_PATTERN
from slmbench.statistics import confusion_matrix, f1_per_class
from slmbench.statistics.verdicts import paired_proportions_bounds

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: Inverse strength of regularisation: a factor of ten between neighbours changes a few tenths of a point on IMDb.
C_VALUES = (10.0, 1.0, 100.0)
#: N-grams of characters within words that are tried beside the words.
CHARACTERS = (2, 4)
FOLDS = 3
#: Training rows that choose, at most: the choice hardly depends on more, its time does.
MAX_CHOOSING_ROWS = 5000
#: Rows that character n-grams are first tried on; where no more of them are right, they are not tried on all. This
#: can only end in words, so that characters are taken for nothing no more often than without it. Where characters
#: alone are right on 5 % of all reviews and words alone on 3 %, it ends in words in 0.4 % of the cases.
FIRST_ROWS = 1500
#: Weights of classes are tried where the largest class has so many times the rows of the smallest.
UNEVEN = 1.5
#: For the record of a run.
HOW_CHOSEN: dict[str, Any] = {
    "chosen_by": f"{FOLDS}-fold cross-validation on at most {MAX_CHOOSING_ROWS:,} training rows",
    "grid": {"C": C_VALUES, "sublinear_tf": (True, False), "characters": (None, CHARACTERS)},
}


@dataclass(frozen=True)
class TfidfSettings:
    """What is chosen about the baseline.

    Attributes:
        C: Inverse strength of regularisation.
        sublinear_tf: Whether 1 + ln(count) is taken instead of the count.
        characters: Shortest and longest n-gram of characters beside the words; ``None`` for words alone.
        class_weight: ``balanced`` or ``none``.
    """

    C: float = C_VALUES[0]
    sublinear_tf: bool = True
    characters: tuple[int, int] | None = None
    class_weight: str = "none"


class Terms(Protocol):
    """The terms of some texts, counted."""

    def features(self, settings: TfidfSettings) -> csr_matrix:
        """Return the weighted counts, shape (texts, terms)."""


@dataclass(frozen=True)
class TfidfChoice:
    """The settings, and how they came about, for the record.

    Attributes:
        settings: What was chosen.
        chosen_by: How, in a phrase.
        tried: Each setting tried with its score, in the order of trying.
    """

    settings: TfidfSettings
    chosen_by: str
    tried: list[dict[str, Any]]


def choose_settings(
    texts: Sequence[str],
    labels: Sequence[int],
    count: Callable[[Sequence[str]], Terms],
    *,
    metric: str,
    class_weight: str,
    seed: int,
) -> TfidfChoice:
    """Choose by cross-validation on training rows.

    Character n-grams make the model several times slower, so they have to be shown to classify more rows right (the
    one-sided 95 % bound of the paired difference is above 0); otherwise the higher score decides, and of equal ones
    the first.

    Args:
        texts: Training texts.
        labels: Their label ids.
        count: Finds the terms of texts.
        metric: ``accuracy`` or ``macro_f1``.
        class_weight: ``auto`` to choose, or ``balanced`` or ``none``.
        seed: Seed of the folds, of the rows that choose, and of the solver.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    given = TfidfSettings(
        characters=None if has_words(texts) else CHARACTERS,
        class_weight="none" if class_weight == "auto" else class_weight,
    )
    rows = np.random.default_rng(seed).permutation(len(texts))[:MAX_CHOOSING_ROWS]
    truth = np.asarray(labels)[rows]
    texts = [texts[row] for row in rows]
    counts = np.bincount(truth)
    counts = counts[counts > 0]
    if len(counts) < 2 or counts.min() < FOLDS:
        return TfidfChoice(given, f"default, because a label has fewer than {FOLDS} training reviews", [])
    tried: list[dict[str, Any]] = []

    def predict(settings: TfidfSettings, terms: Terms, truth: np.ndarray) -> np.ndarray:
        features, folds = terms.features(settings), StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        return cross_val_predict(logistic_regression(settings, seed), features, truth, cv=folds)

    def attempt(settings: TfidfSettings) -> tuple[float, np.ndarray]:
        predicted = predict(settings, terms, truth)
        score = _score(metric, truth, predicted)
        tried.append({**vars(settings), metric: score})
        return score, predicted

    terms, best, (score, predicted) = count(texts), given, (-1.0, truth)
    for sublinear in (True, False):
        for c in C_VALUES:
            settings = replace(given, C=c, sublinear_tf=sublinear)
            found = attempt(settings)
            if found[0] > score:
                best, (score, predicted) = settings, found
    settings = replace(best, characters=CHARACTERS)
    if best.characters is None and _look_promising(best, settings, count, predict, texts, truth):
        found = attempt(settings)
        lost, gained = _lost_and_gained(truth, predicted, found[1])
        if found[0] > score and paired_proportions_bounds(lost, gained, len(truth)).ci90[0] > 0:
            best, (score, predicted) = settings, found
    if class_weight == "auto" and counts.max() >= UNEVEN * counts.min():
        settings = replace(best, class_weight="balanced")
        found = attempt(settings)
        if found[0] > score:
            best, (score, predicted) = settings, found
    name = metric.replace("macro_f1", "macro-F1")
    return TfidfChoice(
        best, f"{FOLDS}-fold cross-validation on {len(texts):,} training reviews, {name} {score:.3f}", tried
    )


def _look_promising(
    without: TfidfSettings,
    settings: TfidfSettings,
    count: Callable[[Sequence[str]], Terms],
    predict: Callable[[TfidfSettings, Terms, np.ndarray], np.ndarray],
    texts: Sequence[str],
    truth: np.ndarray,
) -> bool:
    """Say whether settings may be better than others, by the first rows; of few rows all are looked at anyway."""
    few = truth[:FIRST_ROWS]
    if len(truth) < 2 * len(few) or np.bincount(few, minlength=truth.max() + 1)[np.unique(truth)].min() < FOLDS:
        return True
    terms = count(texts[:FIRST_ROWS])
    lost, gained = _lost_and_gained(few, predict(without, terms, few), predict(settings, terms, few))
    return gained > lost


def _lost_and_gained(truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """Return how many rows were right before only, and how many are after only."""
    return int(((before == truth) & (after != truth)).sum()), int(((before != truth) & (after == truth)).sum())


def has_words(texts: Sequence[str]) -> bool:
    """Say whether any of the texts has a word, as TF-IDF counts them: two letters or digits."""
    word = re.compile(TOKEN_PATTERN)
    return any(word.search(text) for text in texts)


def logistic_regression(settings: TfidfSettings, seed: int) -> Any:
    """Return the classifier of these settings, not yet fitted."""
    from sklearn.linear_model import LogisticRegression

    weights = None if settings.class_weight == "none" else settings.class_weight
    return LogisticRegression(C=settings.C, max_iter=1000, random_state=seed, class_weight=weights)


def _score(metric: str, truth: np.ndarray, predicted: np.ndarray) -> float:
    if metric == "accuracy":
        return float((truth == predicted).mean())
    classes = int(max(truth.max(), predicted.max())) + 1
    counts = confusion_matrix(truth, predicted, classes)
    return float(f1_per_class(counts, counts.sum(-1))[counts.sum(-1) > 0].mean())
