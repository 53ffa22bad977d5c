"""Fitting table and head together, and choosing how strongly they are held back.

Everything between the features and the logits is linear. The row of a word is its vector from the encoder times what
the head learns about the encoder's dimensions, plus a correction of its own; that of a hashed n-gram is a correction
alone. Rare rows are held back less than common ones, as in TF-IDF. Cross-entropy with soft labels and a penalty on
the squares of corrections and head is convex, so that one solver run (L-BFGS) finds the best of all such tables,
without a learning rate, an order of rows or epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.edge.runtime import softmax

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: Inverse strengths of the penalty that are tried, the strongest first; each fit begins where the last one ended.
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
FOLDS = 5
#: With so many rows one fold is enough to choose.
ONE_FOLD = 5000
MAX_ITERATIONS = 200


@dataclass(frozen=True)
class Table:
    """A fitted static classifier.

    Attributes:
        rows: What each row adds to the logits, shape (rows, columns): of two labels one column, the second's logit.
        head: Shape (labels, columns).
        bias: Shape (labels,).
    """

    rows: np.ndarray
    head: np.ndarray
    bias: np.ndarray

    def logits(self, features: csr_matrix) -> np.ndarray:
        """Return logits, shape (texts, labels), float32; features are those of :meth:`StaticFeatures.matrix`."""
        return ((features @ self.rows) @ self.head.T + self.bias).astype(np.float32)


@dataclass(frozen=True)
class Lessons:
    """What is learned from.

    Attributes:
        features: Shape (texts, rows), of :meth:`StaticFeatures.matrix`, times ``rarity``.
        rarity: By how much each row counts more than another, shape (rows,).
        vectors: The encoder's vectors of words, shape (words, dimensions), weighted; of no dimension without encoder.
        shares: Share of each label in each text, shape (texts, labels).
        weights: Weight of each text, shape (texts,).
    """

    features: csr_matrix
    rarity: np.ndarray
    vectors: np.ndarray
    shares: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, features: csr_matrix, vectors: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> Lessons:
        """Weight features by inverse document frequency; see the attributes.

        The frequencies are those of scikit-learn's ``TfidfTransformer``, 1 + ln((1 + n) / (1 + df)), scaled so that
        texts keep their length on average.
        """
        texts, rows = features.shape
        rarity = 1 + np.log((1 + texts) / (1 + np.bincount(features.indices, minlength=rows)))
        rarity /= np.sqrt((rarity[features.indices] ** 2).mean()) if features.nnz else 1.0
        weighted = features.copy()
        weighted.data = (features.data * rarity[features.indices]).astype(np.float32)
        return cls(weighted, rarity, vectors, shares, weights)

    def dense(self) -> np.ndarray:
        """Return the encoder's part of each text, shape (texts, dimensions)."""
        return np.asarray(self.features[:, 1 : 1 + len(self.vectors)] @ self.vectors)


class Fit:
    """A penalised fit of some of the texts.

    Args:
        lessons: All texts.
        dense: Of :meth:`Lessons.dense`.
        chosen: Which texts are fitted.
    """

    def __init__(self, lessons: Lessons, dense: np.ndarray, chosen: np.ndarray) -> None:
        self._features = lessons.features[chosen]
        self._turned = self._features.T.tocsr()
        self._dense = dense[chosen]
        self._shares = lessons.shares[chosen].astype(np.float64)
        self._weights = (lessons.weights[chosen] / lessons.weights[chosen].sum())[:, None]
        # With two labels one logit is always 0.
        self._columns = 1 if self._shares.shape[1] == 2 else self._shares.shape[1]
        self._sizes = (self._features.shape[1], dense.shape[1], 1)

    def start(self) -> np.ndarray:
        """Return where to begin: all zero, shape (rows + dimensions + 1, columns)."""
        return np.zeros((sum(self._sizes), self._columns))

    def run(self, start: np.ndarray, strength: float) -> np.ndarray:
        """Minimise from a start; returns the same shape."""
        from scipy.optimize import minimize

        penalty = 1 / (strength * len(self._shares))
        found = minimize(
            self._loss,
            start.ravel(),
            args=(penalty,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": MAX_ITERATIONS, "maxcor": 10},
        )
        return found.x.reshape(start.shape)

    def _loss(self, flat: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        weights = flat.reshape(-1, self._columns)
        logits = logits_of(self._features, self._dense, weights)
        peak = logits.max(1, keepdims=True)
        normaliser = peak[:, 0] + np.log(np.exp(logits - peak).sum(1))
        loss = float((self._weights[:, 0] * (normaliser - (self._shares * logits).sum(1))).sum())
        slope = self._weights * (softmax(logits) - self._shares)
        slope = slope[:, -self._columns :]
        single = slope.astype(np.float32)
        gradient = np.concatenate([self._turned @ single, self._dense.T @ single, slope.sum(0, keepdims=True)])
        held = weights.copy()
        held[-1] = 0  # the bias is not held back
        return loss + penalty / 2 * float((held**2).sum()), (gradient + penalty * held).ravel()


def logits_of(features: csr_matrix, dense: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return logits, shape (texts, labels), float64; with one column the first label's are 0."""
    single = weights.astype(np.float32)
    rows, dimensions = features.shape[1], dense.shape[1]
    logits = (features @ single[:rows] + dense @ single[rows : rows + dimensions]).astype(np.float64) + weights[-1]
    return np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits


def table_of(weights: np.ndarray, lessons: Lessons) -> Table:
    """Multiply out what was fitted: the encoder's vectors with their head, plus the corrections, times the rarity.

    Args:
        weights: Of :meth:`Fit.run`.
        lessons: What was learned from.
    """
    vectors = lessons.vectors
    dimensions, columns = vectors.shape[1], weights.shape[1]
    rows = weights[: -1 - dimensions].copy()
    rows[1 : 1 + len(vectors)] += vectors @ weights[-1 - dimensions : -1]
    rows *= lessons.rarity[:, None]
    head = np.eye(columns) if columns > 1 else np.array([[0.0], [1.0]])
    return Table(rows.astype(np.float32), head.astype(np.float32), (head @ weights[-1]).astype(np.float32))


@dataclass(frozen=True)
class Choice:
    """The fit, and how strongly it was held back.

    Attributes:
        table: The classifier.
        strength: The inverse strength of the penalty.
        tried: Cross-entropy on the texts kept aside, for each strength tried.
    """

    table: Table
    strength: float
    tried: dict[float, float]


def fit(lessons: Lessons, seed: int, given: float | None = None) -> Choice:
    """Choose a strength on texts kept aside, and fit all texts with it.

    Args:
        lessons: What is learned from.
        seed: Seed of the folds.
        given: A strength, instead of choosing one.
    """
    dense, count = lessons.dense(), len(lessons.shares)
    tried: dict[float, float] = {}
    if given is None and count >= FOLDS:
        fold = np.random.default_rng(seed).permutation(count) % FOLDS
        losses = [_losses(lessons, dense, fold == aside) for aside in range(1 if count >= ONE_FOLD else FOLDS)]
        tried = dict(zip(STRENGTHS, np.mean(losses, axis=0).tolist(), strict=True))
        given = min(tried, key=tried.__getitem__)
    strength = STRENGTHS[0] if given is None else given
    solver = Fit(lessons, dense, np.arange(count))
    return Choice(table_of(solver.run(solver.start(), strength), lessons), strength, tried)


def _losses(lessons: Lessons, dense: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """Return the cross-entropy on texts kept aside for each strength, shape (strengths,)."""
    solver = Fit(lessons, dense, np.flatnonzero(~aside))
    features, shares, weights = lessons.features[aside], lessons.shares[aside], solver.start()
    losses = []
    for strength in STRENGTHS:
        weights = solver.run(weights, strength)
        probabilities = softmax(logits_of(features, dense[aside], weights))
        losses.append(float(-(shares * np.log(np.maximum(probabilities, 1e-12))).sum(1).mean()))
    return np.array(losses)
