"""A run of ``--method static``: from an encoder's vectors of words to a table that numpy runs.

``slmbench finetune --model minilm-l6 --method static`` learns from labels; with ``--teacher runs/NAME --unlabelled
all`` from a run's soft answers, which is what makes it good. The encoder is asked for vectors of words once and is
then no part of the classifier.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.files import content_key, sha256_of
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus, Split
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import Outcome, RunMethod, training_cost
from slmbench.methods.static.features import StaticFeatures
from slmbench.methods.static.fitting import Choice, Lessons, fit
from slmbench.methods.static.table_files import save
from slmbench.methods.static.word_vectors import reduced, word_vectors
from slmbench.methods.training.cpu import one_blas_thread
from slmbench.methods.training.losses import class_weights
from slmbench.methods.training.soft_labels import all_labelled, open_teachers, soft_lessons
from slmbench.models import find_model
from slmbench.models.model_files import weights_sha256


class StaticTraining(RunMethod):
    """One training of a static classifier.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the encoder and the teacher.

        Raises:
            UsageError: There is no such encoder or teacher.
            SlmbenchError: A file of theirs is damaged.
        """
        self._corpus, self._options = corpus, options
        self._files = find_model(name, allow_pickle=options.allow_pickle, progress=progress)
        self._encoder = weights_sha256(self._files.folder)
        self._teachers = open_teachers(options, corpus)
        identity = corpus.identity()
        self.key = content_key(
            stage="static/1",
            weights=self._encoder,
            seed=options.seed,
            hyperparameters=options.hyperparameters(),
            train=identity.train_hash,
            test=identity.test_hash,
            labels=corpus.label_names,
            **(self._teachers.identity(corpus) if self._teachers else {}),
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Fit, save and test; see :class:`slmbench.methods.runs.RunMethod`."""
        corpus, options = self._corpus, self._options
        rows = all_labelled(corpus)
        shares = np.eye(len(corpus.label_names))[rows.labels]
        if self._teachers is not None:
            facts = {"hard_weight": options.hard_weight, "temperature": options.temperature}
            rows, shares = soft_lessons(self._teachers, rows, corpus, progress, **facts)
        start = time.perf_counter()
        with progress.task("counting words"):
            features = StaticFeatures.of(
                rows.texts, words=options.words, longest=options.ngrams, buckets=options.buckets
            )
            matrix = features.matrix(rows.texts)
        vectors = word_vectors(self._files, self._encoder, features.words, progress)
        with one_blas_thread(), progress.task("fitting the table"):
            counts = np.bincount(matrix.indices, minlength=features.rows)[1 : 1 + len(features.words)]
            lessons = Lessons.of(
                matrix,
                reduced(vectors, counts / max(1, counts.sum()), options.dimensions),
                shares,
                _weights(rows, shares, options.class_weight),
            )
            choice = fit(lessons, options.seed)
        seconds = time.perf_counter() - start
        save(building / "model", features, choice.table)
        table = choice.table
        parameters = table.rows.size + table.head.size + table.bias.size
        return Outcome(
            model=self._files.name,
            model_source=self._files.source,
            base_sha256=self._encoder,
            weights_sha256=sha256_of(building / "model" / "static.npz"),
            architecture="static",
            base_license=self._files.license,
            max_length=None,
            details={
                "words": len(features.words),
                "rows": features.rows,
                "chosen": _chosen(choice, len(rows)),
                **({"teacher": self._teachers.details()} if self._teachers else {}),
            },
            trainable_parameters=parameters,
            total_parameters=parameters,
            parameters_without_embeddings=table.head.size + table.bias.size,
            train=training_cost(seconds, len(rows), precision="fp64"),
            logits=table.logits(features.matrix(corpus.test.texts)),
        )


def _weights(rows: Split, shares: np.ndarray, how: str) -> np.ndarray:
    """Return the weight of each text: that of its labels, by their shares."""
    weights = class_weights(how, rows.labels, shares.shape[1])
    return np.ones(len(rows)) if weights is None else shares @ weights


def _chosen(choice: Choice, texts: int) -> dict[str, Any]:
    """Describe how strongly the fit is held back, for the record."""
    return {
        "strength": choice.strength,
        "by": f"cross-entropy on texts kept aside, of {texts:,}" if choice.tried else "default: too few texts",
        "tried": [{"strength": strength, "loss": loss} for strength, loss in choice.tried.items()],
    }
