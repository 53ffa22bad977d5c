"""Distillation: a student learns its teachers' soft labels, on labelled and on unlabelled reviews alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import content_key, read_array, write_aside
from slmbench.common.formatting import listing
from slmbench.common.places import home
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.corpora import Corpus, Split
from slmbench.edge.runtime import softmax
from slmbench.methods.training.inference import run_logits
from slmbench.methods.training.losses import UNKNOWN_LABEL
from slmbench.records import RunRecord, artefacts

#: Reviews whose answers are one file of the cache: an interrupted teacher goes on where it was, and a larger sample,
#: which begins with the smaller one, uses what is there of it.
CHUNK = 1000


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
            UsageError: There is no such run, it has no classifier, or its labels differ from the corpus's.
            SlmbenchError: Its record is damaged.
        """
        path = Path(folder)
        record = artefacts.read(path, RunRecord, option="--teacher")
        if not record.has_model:
            raise UsageError(
                f"--teacher {folder} is a {record.method} run without a classifier of its own: a teacher has to be a"
                " run of `slmbench finetune`, or of `slmbench fewshot` with a trained method"
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
            SlmbenchError: The teacher's model cannot be loaded, or it predicts NaN.
        """
        ids = [row_ids[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        files = [self._cached(chunk) for chunk in ids]
        answers = [read_array(file, len(chunk)) for file, chunk in zip(files, ids, strict=True)]
        parts = {
            place: texts[place * CHUNK : (place + 1) * CHUNK]
            for place, found in enumerate(answers)
            if found is None or found.shape[1] != len(self.order)
        }
        if parts:
            total = sum(len(part) for part in parts.values())
            what = f"asking the teacher {self.record.name}"
            with stage("teacher"), progress.task(what, total=total, unit="reviews") as task:
                answer = run_logits(self.folder, self.record, device, fast=True)
                for place, part in parts.items():
                    logits = answer(part, task)
                    if not np.isfinite(logits).all():
                        raise SlmbenchError(f"the teacher {self.folder} predicts NaN or infinity")
                    with write_aside(files[place]) as file:
                        np.save(file, logits)
                    answers[place] = logits
        return np.concatenate([found for found in answers if found is not None])[:, self.order]

    def _cached(self, row_ids: Sequence[str]) -> Path:
        """Return the file of the answers to some reviews."""
        # Logits do not depend on the split, so labelled and unlabelled reviews share one folder.
        key = content_key(
            weights=self.record.weights_sha256,
            max_length=self.record.max_length,
            rows=list(row_ids),
            stage="teacher/1",
            **({"long_texts": how} if (how := self.record.hyperparameters.get("long_texts")) else {}),
        )
        return home() / "teachers" / f"{key[:32]}.npy"

    def details(self) -> dict[str, Any]:
        """Return the facts about the teacher for the student's record."""
        return {
            "name": self.record.name,
            "model": self.record.model,
            "weights_sha256": self.record.weights_sha256,
            "total_parameters": self.record.total_parameters,
            "accuracy": self.record.test.accuracy,
            "test_hash": self.record.corpus.test_hash,
        }


@dataclass(frozen=True)
class Teachers:
    """The runs that a student learns from: of several, the mean of their probabilities.

    Students of earlier teachers are teachers like others, so that naming them makes a further round.

    Attributes:
        members: At least one, no weights twice, in the order of their hashes: how they are named changes nothing.
    """

    members: tuple[Teacher, ...]

    @classmethod
    def open(cls, folders: Sequence[str], corpus: Corpus) -> Teachers:
        """Read the teachers' records and check that they fit this corpus.

        Raises:
            UsageError: As of :meth:`Teacher.open`, or two of them are the same classifier.
            SlmbenchError: A record is damaged.
        """
        members = sorted((Teacher.open(one, corpus) for one in folders), key=lambda one: one.record.weights_sha256)
        for one, next_one in pairwise(members):
            if one.record.weights_sha256 == next_one.record.weights_sha256:
                raise UsageError(
                    f"--teacher {one.folder} and --teacher {next_one.folder} are the same classifier: name it once"
                )
        return cls(tuple(members))

    def logits(self, texts: Sequence[str], row_ids: Sequence[str], device: str, progress: Progress) -> np.ndarray:
        """Return what a student learns on reviews: the logits of one teacher, or of several as one.

        Args:
            texts: Reviews.
            row_ids: Their row ids.
            device: Device to run on.
            progress: Where progress is reported.

        Returns:
            Shape (texts, labels), float32, columns in the corpus's label order; see :func:`mean_answer`.

        Raises:
            SlmbenchError: A teacher's model cannot be loaded, or it predicts NaN.
        """
        answers = [one.logits(texts, row_ids, device, progress) for one in self.members]
        return answers[0] if len(answers) == 1 else mean_answer(answers)

    def lessons(self, labelled: Split, corpus: Corpus, device: str, progress: Progress) -> tuple[Split, np.ndarray]:
        """Return what a student learns from, with the teachers' logits.

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
            SlmbenchError: A teacher's model cannot be loaded, or it predicts NaN.
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
        weights = [one.record.weights_sha256 for one in self.members]
        unlabelled = corpus.identity().unlabelled_hash
        # That of one teacher is what it was before there could be several.
        return {"teacher": weights[0] if len(weights) == 1 else weights, "unlabelled": unlabelled}

    def details(self) -> dict[str, Any]:
        """Return the facts about the teachers for the student's record; those of several stand in ``members``."""
        each = [one.details() for one in self.members]
        if len(each) == 1:
            return each[0]
        return {
            "name": " + ".join(one["name"] for one in each),
            "model": listing(list(dict.fromkeys(one["model"] for one in each))),
            "weights_sha256": content_key(teachers=[one["weights_sha256"] for one in each]),
            "total_parameters": sum(one["total_parameters"] for one in each),
            "averaged": "probabilities",
            "members": each,
        }


def mean_answer(logits: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logarithm of the mean probabilities of several classifiers.

    Args:
        logits: Of each, shape (texts, labels).

    Returns:
        Shape (texts, labels), float32.
    """
    mean = np.mean([softmax(one.astype(np.float64)) for one in logits], axis=0)
    return np.log(np.maximum(mean, np.finfo(np.float32).tiny)).astype(np.float32)
