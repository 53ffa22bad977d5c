"""Distillation: a student learns a teacher's soft labels, on labelled and on unlabelled reviews alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import content_key, write_aside
from slmbench.common.places import home
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.corpora import Corpus, Split
from slmbench.methods.training.inference import classifier_logits, load_run
from slmbench.methods.training.losses import UNKNOWN_LABEL
from slmbench.records import RunRecord, artefacts


@dataclass(frozen=True)
class Teacher:
    """A run whose soft labels a student learns.

    Attributes:
        folder: Its folder.
        record: Its record.
        order: For each label of the corpus, the teacher's column.
    """

    folder: Path
    record: RunRecord
    order: list[int]

    @classmethod
    def open(cls, folder: str, corpus: Corpus) -> Teacher:
        """Read a teacher's record and check that it fits this corpus.

        That neither it nor what it was made from has seen the student's test reviews is checked with all ancestors of
        a run (:mod:`slmbench.methods.runs.ancestry`).

        Raises:
            UsageError: There is no such run, it is not a transformer, or its labels differ from the corpus's.
            SlmbenchError: Its record is damaged.
        """
        path = Path(folder)
        record = artefacts.read(path, RunRecord, option="--teacher")
        if not (path / "model" / "config.json").is_file():
            raise UsageError(
                f"--teacher {folder} is a {record.method} run: a teacher has to be a fine-tuned transformer"
            )
        labels = record.predictions.labels
        if sorted(labels) != sorted(corpus.label_names):
            raise UsageError(
                f"--teacher {folder} has the labels {', '.join(labels)}, the corpus has"
                f" {', '.join(corpus.label_names)}: teacher and student need the same"
            )
        return cls(path, record, [labels.index(label) for label in corpus.label_names])

    def logits(self, texts: Sequence[str], row_ids: Sequence[str], device: str, progress: Progress) -> np.ndarray:
        """Return the teacher's logits on reviews, computed once and kept in the user's cache.

        Args:
            texts: Reviews.
            row_ids: Their row ids; they are part of the cache key.
            device: Device to run on.
            progress: Where progress is reported.

        Returns:
            Logits, shape (texts, labels), float32, columns in the corpus's label order.

        Raises:
            SlmbenchError: The teacher's model cannot be loaded.
        """
        # Logits do not depend on the split, so labelled and unlabelled reviews share one entry.
        key = content_key(
            weights=self.record.weights_sha256,
            max_length=self.record.max_length,
            rows=list(row_ids),
            stage="teacher/1",
            **({"long_texts": how} if (how := self.record.hyperparameters.get("long_texts")) else {}),
        )
        cached = home() / "teachers" / f"{key[:32]}.npy"
        if cached.is_file():
            logits = np.load(cached, allow_pickle=False)
        else:
            logits = self._compute(texts, device, progress)
            with write_aside(cached) as file:
                np.save(file, logits)
        return logits[:, self.order]

    def _compute(self, texts: Sequence[str], device: str, progress: Progress) -> np.ndarray:
        what = f"running the teacher {self.record.name}"
        with stage("teacher"):
            model, tokenizer, limit = load_run(self.folder, self.record)
            logits = classifier_logits(model.to(device), tokenizer, texts, limit, progress, what, fast=True)
        if not np.isfinite(logits).all():
            raise SlmbenchError(f"the teacher {self.folder} predicts NaN or infinity")
        return logits

    def lessons(self, labelled: Split, corpus: Corpus, device: str, progress: Progress) -> tuple[Split, np.ndarray]:
        """Return what a student learns from, with the teacher's logits.

        The unlabelled reviews are asked by themselves, and of the labelled ones all that there are: their answers
        serve every student, whether it learns from validation rows or not.

        Args:
            labelled: Labelled rows of the corpus.
            corpus: The corpus, with its unlabelled reviews.
            device: Device to run on.
            progress: Where progress is reported.

        Returns:
            The labelled rows and, behind them and labelled :data:`UNKNOWN_LABEL`, the unlabelled ones; the logits,
            shape (rows, labels), float32, columns in the corpus's label order.

        Raises:
            SlmbenchError: The teacher's model cannot be loaded, or it predicts NaN.
        """
        texts, ids = corpus.unlabelled, corpus.unlabelled_ids
        rows = Split(labelled.texts + texts, labelled.labels + [UNKNOWN_LABEL] * len(texts), labelled.row_ids + ids)
        asked = {
            row_id: text
            for side in (corpus.train, corpus.validation, labelled)
            for row_id, text in zip(side.row_ids, side.texts, strict=True)
        }
        answers = self.logits(list(asked.values()), list(asked), device, progress)
        place = {row_id: number for number, row_id in enumerate(asked)}
        logits = [answers[[place[row_id] for row_id in labelled.row_ids]]]
        if texts:
            logits.append(self.logits(texts, ids, device, progress))
        return rows, np.concatenate(logits)

    def identity(self, corpus: Corpus) -> dict[str, Any]:
        """Return what identifies a student's lessons, for its key."""
        return {"teacher": self.record.weights_sha256, "unlabelled": corpus.identity().unlabelled_hash}

    def details(self) -> dict[str, Any]:
        """Return the facts about the teacher for the student's record."""
        test = self.record.test
        return {
            "name": self.record.name,
            "model": self.record.model,
            "weights_sha256": self.record.weights_sha256,
            "total_parameters": self.record.total_parameters,
            "accuracy": test.accuracy,
            "test_hash": self.record.corpus.test_hash,
        }
