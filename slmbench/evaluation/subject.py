"""What is evaluated: a run or one form of a bundle, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from slmbench.common.errors import UsageError, require_extra
from slmbench.common.progress import SILENT, Progress
from slmbench.edge import Classifier
from slmbench.edge.runtime import NUMPY_BACKENDS, BundleFiles, numpy_runtime, softmax
from slmbench.records import BundleRecord, CorpusIdentity, Predictions, RunRecord, artefacts
from slmbench.records.predictions import REGIME

IN_BATCHES = "batches of similar length in fp32 torch"


@dataclass(frozen=True)
class Subject:
    """A trained classifier.

    Attributes:
        folder: Where it is.
        record: Record of the run or bundle.
        form: The form of a bundle; ``None`` for a run.
    """

    folder: Path
    record: RunRecord | BundleRecord
    form: str | None = None

    @property
    def kind(self) -> Literal["run", "bundle"]:
        """Whether it is a run or a form of a bundle."""
        return "run" if isinstance(self.record, RunRecord) else "bundle"

    @property
    def run(self) -> RunRecord | None:
        """The run's record, when it is a run."""
        return self.record if isinstance(self.record, RunRecord) else None

    @property
    def predictions(self) -> Predictions:
        """Its recorded answers on its own test rows."""
        if isinstance(self.record, RunRecord):
            return self.record.predictions
        return self.record.forms[str(self.form)].predictions

    @property
    def labels(self) -> list[str]:
        """Label names in id order."""
        return self.predictions.labels

    @property
    def corpus(self) -> CorpusIdentity:
        """What it was trained on."""
        return self.record.corpus

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights that answer."""
        if isinstance(self.record, RunRecord):
            return self.record.weights_sha256
        return self.record.forms[str(self.form)].sha256

    @property
    def regime(self) -> str:
        """How reviews are fed in."""
        if isinstance(self.record, RunRecord):
            return REGIME if self._runtime else IN_BATCHES
        return self.record.forms[str(self.form)].regime

    @property
    def _runtime(self) -> str | None:
        """What runs a run in numpy."""
        return numpy_runtime(self.folder / "model")

    @property
    def notes(self) -> list[str]:
        """What a reader of its results has to know, in sentences."""
        return list(self.record.notes) if isinstance(self.record, RunRecord) else []

    def check_can_answer(self) -> None:
        """Check that it can classify other reviews than its own test rows.

        Raises:
            UsageError: The run has no classifier, only answers.
        """
        if isinstance(self.record, RunRecord) and not self.record.has_model:
            raise UsageError(
                f"{self.folder} has no classifier ({self.record.method} asks the pretrained model):"
                f" run `slmbench fewshot --model {self.record.model} --method {self.record.method}` on that corpus"
            )

    def load(self) -> Callable[[Sequence[str], Progress], np.ndarray]:
        """Load the classifier; see :meth:`check_can_answer`.

        Returns:
            From texts to probabilities, shape (texts, labels), rows in input order.

        Raises:
            SlmbenchError: Its files are damaged, or torch is needed and not installed.
        """
        if isinstance(self.record, BundleRecord):
            classifier = Classifier(self.folder, form=self.form)
            classifier.check_seal(self.record.seal)
            return lambda texts, progress: _streamed(classifier, texts, progress)
        if self._runtime:
            backend = NUMPY_BACKENDS[self._runtime](self.folder / "model")
            return lambda texts, progress: _one_by_one(
                lambda batch: softmax(backend.logits(backend.encode(batch))), texts, progress
            )
        return self._load_model(self.record)

    def _load_model(self, record: RunRecord) -> Callable[[Sequence[str], Progress], np.ndarray]:
        require_extra("torch", "train", "evaluating a run (a bundle needs none)")
        from slmbench.instruments.devices import choose_device
        from slmbench.methods.training.inference import classifier_logits, load_run
        from slmbench.models.quiet import quiet_libraries

        with quiet_libraries():
            model, tokenizer, limit = load_run(self.folder, record)
        model = model.to(choose_device("auto"))

        def answer(texts: Sequence[str], progress: Progress) -> np.ndarray:
            with quiet_libraries():
                return softmax(classifier_logits(model, tokenizer, texts, limit, progress))

        return answer


def open_subject(path: Path, form: str | None = None) -> Subject:
    """Open a run or a bundle.

    Args:
        path: Its folder.
        form: Of a bundle; the smallest accepted one when not given.

    Raises:
        UsageError: There is neither, or no such form.
        SlmbenchError: The record is damaged.
    """
    record = artefacts.read(path, RunRecord, BundleRecord)
    if isinstance(record, BundleRecord):
        return Subject(path, record, BundleFiles.open(path).choose_form(form))
    if form is not None:
        raise UsageError(f"--form {form}: {path} is a run; forms are of bundles (`slmbench export {path}`)")
    return Subject(path, record)


def read_runs(folders: Sequence[Path], progress: Progress = SILENT) -> list[RunRecord]:
    """Read the records of runs; other paths are left out and reported, because a shell's pattern includes them.

    Args:
        folders: Run folders.
        progress: Told what was left out.

    Raises:
        UsageError: A path does not exist, or none is a run.
        SlmbenchError: A record is damaged.
    """
    runs = []
    for folder in folders:
        if folder.exists() and artefacts.kind_of(folder) is not RunRecord:
            progress.say(f"{folder} is not a run: left out")
        else:
            runs.append(artefacts.read(folder, RunRecord))
    if not runs:
        raise UsageError("none of these folders is a run")
    return runs


def _streamed(classifier: Classifier, texts: Sequence[str], progress: Progress) -> np.ndarray:
    """Classify texts one by one with a bundle, which says of what text it has no answer."""
    rows = []
    with progress.task("testing", total=len(texts), unit="reviews") as task:
        for prediction in classifier.stream(texts):
            rows.append(list(prediction.scores.values()))
            task.advance()
    return np.array(rows, dtype=np.float32)


def _one_by_one(
    answer: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str], progress: Progress
) -> np.ndarray:
    """Classify texts one by one, as a bundle is checked and timed."""
    rows = []
    with progress.task("testing", total=len(texts), unit="reviews") as task:
        for text in texts:
            rows.append(answer([text])[0])
            task.advance()
    return np.stack(rows)
