"""The floor that every model must beat: TF-IDF of word 1-2-grams and logistic regression.

Fitted with scikit-learn, kept as a small numpy form (``tfidf.json``, ``tfidf.npz``) that ``slmbench.edge`` runs
without it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import require_extra

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.corpora import Split

#: A fair floor: sublinear counts and weaker regularisation than scikit-learn's defaults.
SETTINGS: dict[str, Any] = {
    "ngram_range": (1, 2),
    "sublinear_tf": True,
    "min_df": 2,
    "max_features": 100_000,
    "C": 10.0,
}


class TfidfClassifier:
    """A fitted floor."""

    def __init__(self, training: Split, seed: int) -> None:
        """Fit to labelled reviews.

        Args:
            training: Rows to learn from.
            seed: Seed of the solver.

        Raises:
            SlmbenchError: scikit-learn is not installed.
        """
        require_extra("sklearn", "train", "the TF-IDF floor")
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self._vectorizer = TfidfVectorizer(
            ngram_range=SETTINGS["ngram_range"],
            sublinear_tf=SETTINGS["sublinear_tf"],
            # A corpus of a few rows has hardly a term twice; then every term counts.
            min_df=SETTINGS["min_df"] if len(training) >= 50 else 1,
            max_features=SETTINGS["max_features"],
        )
        features = self._vectorizer.fit_transform(training.texts)
        self._model = LogisticRegression(C=SETTINGS["C"], max_iter=1000, random_state=seed)
        self._model.fit(features, training.labels)

    @property
    def parameters(self) -> int:
        """Number of coefficients, intercepts and idf weights."""
        return int(self._model.coef_.size + self._model.intercept_.size + self._vectorizer.idf_.size)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return logits, shape (texts, labels); two labels get (0, decision)."""
        decision = self._model.decision_function(self._vectorizer.transform(texts))
        if decision.ndim == 1:
            decision = np.stack([np.zeros_like(decision), decision], axis=1)
        return decision.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write ``tfidf.json`` and ``tfidf.npz`` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "model_type": "tfidf",
            "token_pattern": self._vectorizer.token_pattern,
            "ngram_range": list(SETTINGS["ngram_range"]),
            "sublinear_tf": SETTINGS["sublinear_tf"],
            "vocabulary": self._vectorizer.get_feature_names_out().tolist(),
        }
        (folder / "tfidf.json").write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
        np.savez_compressed(
            folder / "tfidf.npz",
            idf=self._vectorizer.idf_.astype(np.float32),
            coefficients=self._model.coef_.astype(np.float32),
            intercept=self._model.intercept_.astype(np.float32),
        )
