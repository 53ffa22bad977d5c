"""Checking a form on the run's test reviews: answers, changed labels, padded batches, speed, acceptance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import sha256_of
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.corpora import Split
from slmbench.edge.runtime import (
    BATCH_TOKENS,
    Backend,
    batches_by_tokens,
    check_width,
    not_finite,
    softmax,
)
from slmbench.export.answering import WorkingForm, form_logits, release
from slmbench.export.graph import graph_facts
from slmbench.export.guard import Judgement, LossLimits, judge
from slmbench.export.parity import LONGEST, SAMPLED, beyond_rounding, compare_logits, no_answers
from slmbench.records import FormRecord, Parity, Predictions
from slmbench.records.bundle import BatchInvariance, Flip, Gain, GainVerdict
from slmbench.records.predictions import REGIME
from slmbench.statistics import PairedDifference, bootstrap_interval, paired_difference
from slmbench.statistics.sequential import LOOKS, gate_at_look, level_of_look
from slmbench.statistics.verdicts import FORM_MARGIN, GateResult

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
        load: Loads a file of what numpy runs; ONNX files are loaded when not given.

    Attributes:
        rows: The test rows.
        asked: Numbers of the rows that fp32 itself has answered.
    """

    def __init__(
        self,
        folder: Path,
        rows: Split,
        labels: list[str],
        limits: LossLimits,
        progress: Progress,
        load: Callable[[Path], Backend] | None = None,
    ) -> None:
        self.rows = rows
        self._folder, self._labels, self._limits, self._progress = folder, labels, limits, progress
        self._load = load
        self._fp32: Backend | None = None
        self._fp32_bytes = 0
        self._fp32_logits: np.ndarray | None = None
        self._items: list[object] = []
        self.asked = np.arange(0)

    def take_reference(self, file: Path, trained: np.ndarray | None = None) -> None:
        """Load fp32 and run the test reviews through it; comes before everything else.

        What the trained model answered is not asked again where both compute the same but for rounding: fp32 answers
        a random sample, the longest reviews, and each whose label rounding might change
        (:func:`slmbench.export.parity.beyond_rounding`).

        Args:
            file: Its file.
            trained: The trained model's logits in fp32, shape (rows, labels); without them every review is run.

        Raises:
            SlmbenchError: It answers with NaN or infinity, or not with one logit for each label.
        """
        self._fp32 = self.load(file)
        self._fp32_bytes = file.stat().st_size
        self._items = self._fp32.encode(self.rows.texts)
        self._fp32_logits, self.asked = self._reference_answers(self._fp32, trained)
        if len(wrong := not_finite(self._fp32_logits)):
            raise SlmbenchError(
                f"fp32 answers {len(wrong)} of {len(self._items)} test reviews with NaN or infinity: train it again"
            )

    @property
    def reference(self) -> Backend:
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

    def load(self, file: Path) -> Backend:
        """Load a form's file."""
        if self._load is not None:
            return self._load(file)
        return WorkingForm(self._folder, file)

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
        batching = self._batching(backend, checked.logits)
        release(backend)  # before anything is timed
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
            batching=batching,
            gain=None if is_reference else self._gain(backend, path),
            graph=None if self._load else graph_facts(path),
            **more,
        )

    def _logits(self, form: str, backend: Backend, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        items = self._items if rows is None else [self._items[row] for row in rows]
        with stage("judging"):
            logits = form_logits(backend, items, self._progress, f"checking {form}")
        check_width(logits.shape[1], self._labels, form)
        return logits

    def _reference_answers(self, fp32: Backend, trained: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return fp32's logits, shape (rows, labels), and the numbers of the rows that it was asked."""
        every = np.arange(len(self._items))
        if trained is None or len(not_finite(trained)):
            return self._logits("fp32", fp32), every
        longest = np.argsort(fp32.lengths(self._items), kind="stable")[-LONGEST:]
        asked = np.union1d(every[:SAMPLED], longest)
        answers = trained.copy()
        answers[asked] = self._logits("fp32", fp32, asked)
        largest = float(np.abs(answers[asked] - trained[asked]).max())
        sure = beyond_rounding(trained, largest) if np.isfinite(largest) else np.zeros(len(every), dtype=bool)
        rest = np.setdiff1d(every[~sure], asked)
        if len(rest):
            answers[rest] = self._logits("fp32", fp32, rest)
        return answers, np.union1d(asked, rest)

    def _right(self, logits: np.ndarray) -> np.ndarray:
        right = logits.argmax(1) == self.truth[: len(logits)]
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
        """Compare answers in padded batches with those alone, on as many reviews as it takes.

        The reviews are the first ones, whose order is that of a hash. A sample suffices where batches change no more
        than rounding does. Otherwise it may be certain after a third and after two thirds of them that batches cost
        less, or more, than :data:`FORM_MARGIN` (``statistics.sequential``).
        """
        planned, right, together = len(alone), self._right(alone), alone[:0]
        result: GateResult = "inconclusive"
        if LOOKS[0] * planned > SAMPLED:
            together = self._together(backend, together, SAMPLED)
            result = "pass" if self._is_rounding(alone, together) else result
        for look, share in enumerate(LOOKS if result == "inconclusive" else ()):
            together = self._together(backend, together, math.ceil(share * planned))
            right_together = self._right(together)
            before = right[: len(together)]
            lost, gained = before & ~right_together, ~before & right_together
            level = level_of_look(look)
            result = gate_at_look(int(lost.sum()), int(gained.sum()), len(together), FORM_MARGIN, level)
            if result != "inconclusive":
                break
        seen, right_together = len(together), self._right(together)
        parity = compare_logits("alone", alone[:seen], together)
        return BatchInvariance(
            batch_tokens=BATCH_TOKENS,
            reviews=seen,
            planned=planned,
            result=result,
            label_flips=parity.label_flips,
            max_abs_logit_diff=parity.max_abs_logit_diff,
            accuracy=float(right_together.mean()),
            difference=paired_difference(right[:seen], right_together),
        )

    def _together(self, backend: Backend, before: np.ndarray, wanted: int) -> np.ndarray:
        """Return logits in batches of the first reviews, those of some of them known."""
        items = self._items[len(before) : wanted]
        with stage("judging_batches"):
            batches = batches_by_tokens(backend.lengths(items), BATCH_TOKENS)
            answers = form_logits(backend, items, self._progress, "in batches", batches)
        return np.concatenate([before, answers])

    def _is_rounding(self, alone: np.ndarray, together: np.ndarray) -> bool:
        """Whether answers in batches differ from those alone by so little that no review gets another label."""
        if len(not_finite(alone)) or len(not_finite(together)):
            return False
        parity = compare_logits("alone", alone[: len(together)], together)
        sure = beyond_rounding(alone[len(together) :], parity.max_abs_logit_diff or 0.0)
        return parity.label_flips == 0 and bool(sure.all())

    def _gain(self, backend: Backend, path: Path) -> Any:
        sizes = {"fp32_bytes": self._fp32_bytes, "form_bytes": path.stat().st_size}
        with stage("gain"):
            return measure_gain(self.reference, backend, self._items, **sizes)


#: Seconds after which no further review is timed.
TIME_LIMIT_S = 6.0
#: How many reviews are timed.
MIN_REVIEWS, MAX_REVIEWS = 12, 60
#: A median ratio nearer to 1 than this is within what two runs of the same file differ by.
SAME_SPEED = 0.03


def measure_gain(fp32: Backend, form: Backend, items: Sequence[object], *, fp32_bytes: int, form_bytes: int) -> Gain:
    """Time two forms on the same reviews, one review at a time, in turns.

    Args:
        fp32: The reference, loaded.
        form: The form, loaded; both with the same threads.
        items: Encoded reviews.
        fp32_bytes: Size of the reference's file.
        form_bytes: Size of the form's file.
    """
    # Evenly over the lengths, so that a few reviews represent all.
    by_length = sorted(range(len(items)), key=fp32.lengths(items).__getitem__)
    chosen = [by_length[i] for i in np.linspace(0, len(items) - 1, min(MAX_REVIEWS, len(items))).round().astype(int)]
    # Shuffled, because time may run out after the first few, which must not all be short.
    chosen = list(np.random.default_rng(0).permutation(chosen))
    for backend in (fp32, form):
        backend.logits([items[chosen[-1]]])
    times: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    for turn, index in enumerate(chosen):
        if turn >= MIN_REVIEWS and time.perf_counter() - began > TIME_LIMIT_S:
            break
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        for which in order:
            start = time.perf_counter()
            (fp32, form)[which].logits([items[index]])
            times[which].append(1000 * (time.perf_counter() - start))
    ratios = np.array(times[0]) / np.array(times[1])
    interval = bootstrap_interval(lambda rows: np.median(ratios[rows], axis=1), len(ratios))
    return describe_gain(times[0], times[1], float(np.median(ratios)), interval, form_bytes / fp32_bytes)


def describe_gain(
    fp32_ms: list[float], form_ms: list[float], speedup: float, interval: tuple[float, float], size_ratio: float
) -> Gain:
    """Describe what a form gains over fp32.

    Args:
        fp32_ms: Times of the reference, one a review.
        form_ms: Times of the form on the same reviews.
        speedup: Median of their ratios.
        interval: Its 95 % interval.
        size_ratio: Bytes of the form's file over those of the reference.
    """
    faster = interval[0] > 1 + SAME_SPEED
    slower = interval[1] < 1 - SAME_SPEED
    smaller = size_ratio < 1 - SAME_SPEED
    speed = f"{speedup:.2f}× the speed of fp32 on this CPU [{interval[0]:.2f}–{interval[1]:.2f}]"
    size = f"{size_ratio:.2f}× its size"
    if faster or smaller:
        verdict: GainVerdict = "faster_and_smaller" if faster and smaller else "faster" if faster else "smaller"
        but = ", but slower" if slower else ", not measurably faster" if not faster else ""
        sentence = f"{verdict.replace('_', ' ')}{but}: {speed}, {size}"
    else:
        verdict = "none"
        sentence = f"no gain on this CPU: {'slower' if slower else 'not measurably faster'} and not smaller, {speed}"
    return Gain(
        reviews=len(fp32_ms),
        fp32_ms=[round(value, 4) for value in fp32_ms],
        form_ms=[round(value, 4) for value in form_ms],
        speedup=speedup,
        speedup_ci95=interval,
        size_ratio=size_ratio,
        verdict=verdict,
        sentence=sentence,
    )
