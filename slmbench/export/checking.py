"""Checking a form on the run's test reviews: answers, changed labels, padded batches, speed, acceptance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import sha256_of
from slmbench.common.progress import Progress
from slmbench.corpora import Split
from slmbench.edge.runtime import (
    BATCH_TOKENS,
    Backend,
    OnnxBackend,
    batches_by_tokens,
    check_width,
    not_finite,
    softmax,
)
from slmbench.export.gain import measure_gain
from slmbench.export.graph import graph_facts
from slmbench.export.guard import Judgement, LossLimits, judge
from slmbench.export.parity import compare_logits, form_logits, no_answers
from slmbench.records import FormRecord, Parity, Predictions
from slmbench.records.bundle import BatchInvariance, Flip
from slmbench.records.predictions import REGIME
from slmbench.statistics import PairedDifference, paired_difference

#: Changed labels that a record lists, and how many characters of each review.
FLIPS_LISTED, FLIP_CHARACTERS = 50, 280


@dataclass(frozen=True)
class CheckedForm:
    """A form's answers to the test reviews and the decision on it.

    Attributes:
        logits: Shape (rows, labels).
        parity: How they differ from the reference.
        difference: Accuracy minus that of fp32; ``None`` of fp32 itself.
        judgement: The decision.
    """

    logits: np.ndarray
    parity: Parity
    difference: PairedDifference | None
    judgement: Judgement


class FormChecker:
    """The test reviews and fp32's answers to them, with which other forms are compared.

    Args:
        folder: The bundle's folder, which holds the tokenizer.
        rows: The test rows.
        labels: Label names.
        limits: What a form may lose.
        progress: Where to say how far it is.
    """

    def __init__(self, folder: Path, rows: Split, labels: list[str], limits: LossLimits, progress: Progress) -> None:
        self.rows = rows
        self._folder, self._labels, self._limits, self._progress = folder, labels, limits, progress
        self._fp32: OnnxBackend | None = None
        self._fp32_bytes = 0
        self._fp32_logits: np.ndarray | None = None
        self._items: list[object] = []

    def take_reference(self, file: Path) -> None:
        """Load fp32 and run the test reviews through it; comes before everything else.

        Raises:
            SlmbenchError: It answers with NaN or infinity, or not with one logit for each label.
        """
        self._fp32 = self.load(file)
        self._fp32_bytes = file.stat().st_size
        self._items = self._fp32.encode(self.rows.texts)
        self._fp32_logits = self._logits("fp32", self._fp32)
        if len(wrong := not_finite(self._fp32_logits)):
            raise SlmbenchError(
                f"fp32 answers {len(wrong)} of {len(self._items)} test reviews with NaN or infinity: train it again"
            )

    @property
    def reference(self) -> OnnxBackend:
        """Fp32, loaded."""
        if self._fp32 is None:
            raise RuntimeError("take_reference comes first")
        return self._fp32

    @property
    def reference_logits(self) -> np.ndarray:
        """Fp32's logits on the test reviews, shape (rows, labels)."""
        if self._fp32_logits is None:
            raise RuntimeError("take_reference comes first")
        return self._fp32_logits

    @property
    def truth(self) -> np.ndarray:
        """True label ids of the test reviews."""
        return np.asarray(self.rows.labels)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each test review."""
        return self.reference.lengths(self._items)

    def load(self, file: Path) -> OnnxBackend:
        """Load a form's file with onnxruntime's own number of threads, which sleep while another form is timed."""
        return OnnxBackend(self._folder, file, None, spin_between=False)

    def check(self, form: str, backend: Backend) -> CheckedForm:
        """Run all test reviews through a form, one at a time, and compare its answers with fp32's."""
        logits = self._logits(form, backend)
        parity = compare_logits("fp32", self.reference_logits, logits)
        difference = paired_difference(self._right(self.reference_logits), self._right(logits))
        if parity.not_finite:
            judgement = Judgement("refused", accepted=False, reason=no_answers(parity), checks=[])
        else:
            answers = (self.reference_logits.argmax(1), logits.argmax(1))
            judgement = judge(self.truth, *answers, self._labels, self._limits)
        return CheckedForm(logits, parity, difference, judgement)

    def record(
        self, file: str, backend: Backend, checked: CheckedForm, isa: str | None = None, **more: Any
    ) -> FormRecord:
        """Complete the record of a form: flips, batches, speed, what its graph holds.

        Args:
            file: Its path below the bundle's folder.
            backend: The form, loaded.
            checked: Its answers and the decision.
            isa: Instruction set it is made for.
            **more: Further fields of the record.
        """
        path = self._folder / file
        unanswered = not_finite(checked.logits)
        answers = checked.logits.copy()
        answers[unanswered] = 0
        is_reference = backend is self._fp32
        return FormRecord(
            file=file,
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
            parity=checked.parity,
            **vars(checked.judgement),
            predictions=Predictions.of(
                self._labels, self.rows.row_ids, self.rows.labels, softmax(answers), unanswered.tolist()
            ),
            regime=REGIME,
            isa=isa,
            difference_to_fp32=checked.difference,
            flips=[] if is_reference else self._flips(answers, unanswered),
            batching=self._batching(backend, checked.logits),
            gain=None if is_reference else self._gain(backend, path),
            graph=graph_facts(path),
            **more,
        )

    def _logits(self, form: str, backend: Backend) -> np.ndarray:
        logits = form_logits(backend, self._items, self._progress, f"checking {form}")
        check_width(logits.shape[1], self._labels, form)
        return logits

    def _right(self, logits: np.ndarray) -> np.ndarray:
        right = logits.argmax(1) == self.truth
        right[not_finite(logits)] = False
        return right

    def _flips(self, logits: np.ndarray, unanswered: np.ndarray) -> list[Flip]:
        """List changed labels; a review without an answer has no label to list."""
        before, after = softmax(self.reference_logits), softmax(logits)
        changed = np.setdiff1d(np.flatnonzero(before.argmax(1) != after.argmax(1)), unanswered)
        return [
            Flip(
                row_id=self.rows.row_ids[row],
                truth=self._labels[self.rows.labels[row]],
                reference=self._labels[before[row].argmax()],
                label=self._labels[after[row].argmax()],
                reference_score=float(before[row].max()),
                score=float(after[row].max()),
                text=self.rows.texts[row][:FLIP_CHARACTERS],
            )
            for row in changed[:FLIPS_LISTED].tolist()
        ]

    def _batching(self, backend: Backend, alone: np.ndarray) -> BatchInvariance:
        together = np.empty_like(alone)
        batches = batches_by_tokens(backend.lengths(self._items), BATCH_TOKENS)
        with self._progress.task("in batches", total=len(batches), unit="batches") as task:
            for rows in batches:
                together[rows] = backend.logits([self._items[row] for row in rows])
                task.advance()
        parity = compare_logits("alone", alone, together)
        return BatchInvariance(
            batch_tokens=BATCH_TOKENS,
            reviews=len(alone),
            label_flips=parity.label_flips,
            max_abs_logit_diff=parity.max_abs_logit_diff,
            accuracy=float(self._right(together).mean()),
            difference=paired_difference(self._right(alone), self._right(together)),
        )

    def _gain(self, backend: Backend, path: Path) -> Any:
        return measure_gain(
            self.reference,
            backend,
            self._items,
            fp32_bytes=self._fp32_bytes,
            form_bytes=path.stat().st_size,
        )
