"""The TF-IDF baseline that every model must beat: TF-IDF of word 1-2-grams and logistic regression.

Fitted with scikit-learn, saved as small numpy files (``tfidf.json``, ``tfidf.npz``) that ``slmbench.edge``
runs without it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.files import content_key, sha256_of
from slmbench.corpora import Split
from slmbench.methods.outcome import Outcome, RunMethod, training_cost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.options import MethodOptions

#: A strong baseline: sublinear counts, and weaker regularisation than scikit-learn's defaults.
SETTINGS: dict[str, Any] = {
    "ngram_range": (1, 2),
    "sublinear_tf": True,
    "min_df": 2,
    "max_features": 100_000,
    "C": 10.0,
}


class TfidfTraining(RunMethod):
    """One training of the baseline.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, model: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        self._corpus = corpus
        self._seed = options.seed
        self._settings = {**SETTINGS, **options.hyperparameters()}
        identity = corpus.identity()
        self.key = content_key(
            stage="finetune/1",
            method="tfidf",
            seed=options.seed,
            hyperparameters=self._settings,
            train=identity.train_hash,
            test=identity.test_hash,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Fit, save and test; see :class:`slmbench.methods.runs.RunMethod`."""
        corpus = self._corpus
        # No epoch is picked on the validation rows, so that they may be learned from too.
        rows = Split(
            corpus.train.texts + corpus.validation.texts,
            corpus.train.labels + corpus.validation.labels,
            corpus.train.row_ids + corpus.validation.row_ids,
        )
        start = time.perf_counter()
        with progress.task("fitting TF-IDF and logistic regression"):
            classifier = TfidfClassifier(rows, self._seed, self._settings.get("class_weight"))
        seconds = time.perf_counter() - start
        classifier.save(building / "model")
        return Outcome(
            model="tfidf",
            model_source="fitted here",
            base_sha256=None,
            weights_sha256=sha256_of(building / "model" / "tfidf.npz"),
            architecture="tfidf",
            base_license=None,
            max_length=None,
            hyperparameters=self._settings,
            trainable_parameters=classifier.parameters,
            total_parameters=classifier.parameters,
            parameters_without_embeddings=classifier.parameters,
            train=training_cost(seconds, len(rows), precision="fp64"),
            logits=classifier.logits(corpus.test.texts),
        )


class TfidfClassifier:
    """The fitted baseline.

    Args:
        training: Labelled reviews to fit to.
        seed: Seed of the solver.
        class_weight: ``balanced``, or ``None`` for weights of 1.
    """

    def __init__(self, training: Split, seed: int, class_weight: str | None = None) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self._vectorizer = TfidfVectorizer(
            ngram_range=SETTINGS["ngram_range"],
            sublinear_tf=SETTINGS["sublinear_tf"],
            # In a corpus of a few rows hardly any term occurs twice; then every term counts.
            min_df=SETTINGS["min_df"] if len(training) >= 50 else 1,
            max_features=SETTINGS["max_features"],
        )
        features = self._vectorizer.fit_transform(training.texts)
        self._model = LogisticRegression(C=SETTINGS["C"], max_iter=1000, random_state=seed, class_weight=class_weight)
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
