"""Training the TF-IDF floor as a run like any other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from slmbench.common.files import sha256_of
from slmbench.corpora import Split
from slmbench.instruments.memory import high_water_mark
from slmbench.methods.runs import Outcome
from slmbench.methods.training.tfidf import SETTINGS, TfidfClassifier
from slmbench.records import TrainCost
from slmbench.records.base import content_key

if TYPE_CHECKING:
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.options import MethodOptions


class FloorTraining:
    """One training of TF-IDF and logistic regression.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, _model: str, corpus: Corpus, options: MethodOptions, _progress: Progress) -> None:
        self._corpus = corpus
        self._seed = options.seed
        self._identity = corpus.identity()
        self.key = content_key(
            stage="finetune/1",
            method="tfidf",
            seed=options.seed,
            hyperparameters=SETTINGS,
            train=self._identity.train_hash,
            test=self._identity.test_hash,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Fit, save and test; see :class:`slmbench.methods.runs.RunMethod`."""
        corpus = self._corpus
        # Nothing is selected on validation rows here, so that the floor may learn from them too.
        rows = Split(
            corpus.train.texts + corpus.validation.texts,
            corpus.train.labels + corpus.validation.labels,
            corpus.train.row_ids + corpus.validation.row_ids,
        )
        began = time.perf_counter()
        with progress.task("fitting TF-IDF and logistic regression"):
            classifier = TfidfClassifier(rows, self._seed)
        seconds = time.perf_counter() - began
        classifier.save(building / "model")
        return Outcome(
            model="tfidf",
            model_source="fitted here",
            base_sha256=None,
            weights_sha256=sha256_of(building / "model" / "tfidf.npz"),
            architecture="tfidf",
            base_license=None,
            max_length=None,
            hyperparameters=dict(SETTINGS),
            trainable_parameters=classifier.parameters,
            total_parameters=classifier.parameters,
            parameters_without_embeddings=classifier.parameters,
            train=TrainCost(
                seconds=seconds,
                reviews_per_second=len(rows) / seconds,
                epochs=1,
                peak_rss_bytes=high_water_mark()[0],
                device="cpu",
                precision="fp64",
                best_epoch=None,
                selected_by=None,
                resumed_at_epoch=None,
                history=[],
            ),
            logits=classifier.logits(corpus.test.texts),
        )

    def clean_up(self, folder: Path) -> None:
        """Nothing is left over beside the run."""
