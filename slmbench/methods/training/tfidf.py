"""The TF-IDF baseline that every model must beat: TF-IDF of word 1-2-grams and logistic regression.

Its settings, n-grams of characters among them, are chosen on the training rows (``tfidf_choice``); texts without a
word of two letters, such as emoji, have n-grams of characters alone. It is fitted with scikit-learn and saved as
small numpy files (``tfidf.json``, ``tfidf.npz``) that ``slmbench.edge`` runs without it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.files import content_key, sha256_of
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus, Split
from slmbench.edge.runtime import TOKEN_PATTERN
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import Outcome, RunMethod, training_cost
from slmbench.methods.training.cpu import one_blas_thread
from slmbench.methods.training.soft_labels import all_labelled, open_teachers, soft_lessons
from slmbench.methods.training.tfidf_choice import (
    HOW_CHOSEN,
    TfidfChoice,
    TfidfSettings,
    choose_settings,
    has_words,
    logistic_regression,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: What is the same for all: terms in at least two reviews, and the most frequent 100,000 of words and of characters.
FIXED: dict[str, Any] = {"ngram_range": (1, 2), "min_df": 2, "max_features": 100_000}
#: Parameters of scikit-learn that say what is counted; others say how counts are weighted.
_COUNTING = ("analyzer", "ngram_range", "min_df", "max_features")


class TfidfTraining(RunMethod):
    """One training of the baseline.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, model: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        self._corpus = corpus
        self._options = options
        self._teachers = open_teachers(options, corpus)
        self._hyperparameters = {**FIXED, **options.hyperparameters(), **HOW_CHOSEN}
        identity = corpus.identity()
        self.key = content_key(
            stage="finetune/2",
            method="tfidf",
            seed=options.seed,
            hyperparameters=self._hyperparameters,
            train=identity.train_hash,
            test=identity.test_hash,
            **({**self._teachers.identity(corpus), "chosen_on": "labelled rows"} if self._teachers else {}),
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Fit, save and test; see :class:`slmbench.methods.runs.RunMethod`."""
        corpus = self._corpus
        options = self._options
        rows, shares = all_labelled(corpus), None
        with one_blas_thread(), progress.task("choosing the settings of TF-IDF"):
            choice, seconds = _chosen(rows, options)
        if self._teachers is not None:  # the settings are chosen on true labels
            rows, shares = soft_lessons(self._teachers, rows, corpus, progress, hard_weight=options.hard_weight)
        start = time.perf_counter()
        with one_blas_thread(), progress.task("fitting TF-IDF and logistic regression"):
            classifier = TfidfClassifier(rows, options.seed, choice.settings, shares)
        seconds += time.perf_counter() - start
        classifier.save(building / "model")
        return Outcome(
            model="tfidf",
            model_source="fitted here",
            base_sha256=None,
            weights_sha256=sha256_of(building / "model" / "tfidf.npz"),
            architecture="tfidf",
            base_license=None,
            max_length=None,
            # What was chosen may differ from seed to seed, and is therefore no part of what identifies the method.
            hyperparameters=self._hyperparameters,
            details={
                "chosen": {**vars(choice.settings), "by": choice.chosen_by, "tried": choice.tried},
                **({"teacher": self._teachers.details()} if self._teachers else {}),
            },
            trainable_parameters=classifier.parameters,
            total_parameters=classifier.parameters,
            parameters_without_embeddings=classifier.parameters,
            train=training_cost(seconds, len(rows), precision="fp64"),
            logits=classifier.logits(corpus.test.texts),
        )


#: The last choice, by what it was made of: in a recipe, rungs of TF-IDF with and without a teacher share it.
_LAST_CHOICE: dict[str, tuple[TfidfChoice, float]] = {}


def _chosen(rows: Split, options: MethodOptions) -> tuple[TfidfChoice, float]:
    """Choose the settings on labelled rows; returns them with the seconds that it took, now or when it was done."""
    how = {"metric": options.select_by, "class_weight": options.class_weight, "seed": options.seed}
    key = content_key(rows=rows.row_ids, labels=rows.labels, **how)
    if key not in _LAST_CHOICE:
        start = time.perf_counter()
        choice = choose_settings(rows.texts, rows.labels, CountedTerms, **how)
        _LAST_CHOICE.clear()
        _LAST_CHOICE[key] = choice, time.perf_counter() - start
    return _LAST_CHOICE[key]


class CountedTerms:
    """The terms of texts, counted once, to be weighted in several ways as :class:`TfidfFeatures` weights them.

    Args:
        texts: The texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._counts: dict[tuple[int, int] | None, csr_matrix] = {}

    def features(self, settings: TfidfSettings) -> csr_matrix:
        """Return the weighted counts, shape (texts, terms)."""
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

        features = TfidfFeatures(settings, len(self._texts))
        if not has_words(self._texts):
            features.words = None
        weighted = []
        for part in features.parts:
            kind = part.ngram_range if part.analyzer == "char_wb" else None
            if kind not in self._counts:
                same = {name: value for name, value in part.get_params().items() if name in _COUNTING}
                self._counts[kind] = _fitted_to(CountVectorizer(**same), self._texts)
            weighted.append(TfidfTransformer(sublinear_tf=settings.sublinear_tf).fit_transform(self._counts[kind]))
        return hstack(weighted, format="csr")


class TfidfFeatures:
    """Weighted terms of texts: words, and n-grams of characters beside them where the settings say so.

    Each of the two is scaled to unit length by itself.

    Args:
        settings: What was chosen.
        reviews: Number of reviews that it will be fitted to.

    Attributes:
        words: The vectorizer of words; ``None`` once it has been fitted to texts that have none.
        characters: That of n-grams of characters; ``None`` where they do not count.
    """

    def __init__(self, settings: TfidfSettings, reviews: int) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        shared = {
            "sublinear_tf": settings.sublinear_tf,
            # In a corpus of a few rows hardly any term occurs twice; then every term counts.
            "min_df": FIXED["min_df"] if reviews >= 50 else 1,
            "max_features": FIXED["max_features"],
        }
        self.words: Any = TfidfVectorizer(ngram_range=FIXED["ngram_range"], **shared)
        self.characters: Any = (
            TfidfVectorizer(analyzer="char_wb", ngram_range=settings.characters, **shared)
            if settings.characters
            else None
        )

    @property
    def parts(self) -> list[Any]:
        """The vectorizers."""
        return [part for part in (self.words, self.characters) if part is not None]

    @property
    def idf(self) -> np.ndarray:
        """Inverse document frequencies of all terms, in the order of the columns."""
        return np.concatenate([part.idf_ for part in self.parts])

    def fit_transform(self, texts: Sequence[str]) -> csr_matrix:
        """Learn the terms of texts and return their features, shape (texts, terms)."""
        from scipy.sparse import hstack

        if not has_words(texts):
            self.words = None
        return hstack([_fitted_to(part, texts) for part in self.parts], format="csr")

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Return the features of other texts."""
        from scipy.sparse import hstack

        return hstack([part.transform(texts) for part in self.parts], format="csr")


def _fitted_to(vectorizer: Any, texts: Sequence[str]) -> csr_matrix:
    """Fit a vectorizer; where no term occurs in as many texts as it asks for, every term counts."""
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # scikit-learn's "no terms remain"
        return vectorizer.set_params(min_df=1).fit_transform(texts)


class TfidfClassifier:
    """The fitted baseline.

    Args:
        training: Labelled reviews to fit to.
        seed: Seed of the solver.
        settings: What was chosen.
        shares: Share of each label in each review, shape (reviews, labels); all of it the review's own if not given.
    """

    def __init__(self, training: Split, seed: int, settings: TfidfSettings, shares: np.ndarray | None = None) -> None:
        from scipy.sparse import vstack

        self._settings = settings
        self._features = TfidfFeatures(settings, len(training))
        self._model = logistic_regression(settings, seed)
        features = self._features.fit_transform(training.texts)
        if shares is None:
            self._model.fit(features, training.labels)
        else:
            # Cross-entropy with soft labels is that of a copy of the reviews for each label, weighted by its shares.
            labels = np.repeat(np.arange(shares.shape[1]), len(training))
            copies = vstack([features] * shares.shape[1], format="csr")
            self._model.fit(copies, labels, sample_weight=shares.T.ravel())

    @property
    def parameters(self) -> int:
        """Number of coefficients, intercepts and idf weights."""
        return int(self._model.coef_.size + self._model.intercept_.size + self._features.idf.size)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return logits, shape (texts, labels); two labels get (0, decision)."""
        decision = self._model.decision_function(self._features.transform(texts))
        if decision.ndim == 1:
            decision = np.stack([np.zeros_like(decision), decision], axis=1)
        return decision.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write ``tfidf.json`` and ``tfidf.npz`` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        words, characters = self._features.words, self._features.characters
        settings = {
            "model_type": "tfidf",
            "token_pattern": TOKEN_PATTERN,
            "ngram_range": list(FIXED["ngram_range"]),
            "sublinear_tf": self._settings.sublinear_tf,
            "vocabulary": words.get_feature_names_out().tolist() if words else [],
        }
        if characters:
            settings["characters"] = {
                "ngram_range": list(characters.ngram_range),
                "vocabulary": characters.get_feature_names_out().tolist(),
            }
        # N-grams of characters may hold half a surrogate pair, which JSON writes as \uXXXX.
        text = json.dumps(settings, ensure_ascii=False).encode("utf-8", "backslashreplace")
        (folder / "tfidf.json").write_bytes(text)
        np.savez_compressed(
            folder / "tfidf.npz",
            idf=self._features.idf.astype(np.float32),
            coefficients=self._model.coef_.astype(np.float32),
            intercept=self._model.intercept_.astype(np.float32),
        )
