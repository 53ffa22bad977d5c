"""The record of a training run: what was trained, on what, at what cost, and how good it is."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field, computed_field

from slmbench.common.formatting import percent
from slmbench.records.ancestors import Ancestor
from slmbench.records.base import Part, Record
from slmbench.records.documents import FolderName
from slmbench.records.predictions import Predictions
from slmbench.statistics import Evaluation


class LengthQuantiles(Part):
    """Review lengths in whitespace-separated words."""

    p5: float
    p50: float
    p95: float
    max: float


class NearDuplicate(Part):
    """A test review that is almost the same as a training review: their row ids, and the share of common runs."""

    test: str
    training: str
    resemblance: float


class NearDuplicates(Part):
    """Test reviews with a near-duplicate among the training reviews; see ``slmbench.corpora.near_duplicates``.

    ``resemblance`` is the share of common runs of words from which on two reviews are counted.
    """

    test_reviews: int
    found: int
    resemblance: float
    closest: list[NearDuplicate]

    @property
    def share(self) -> float:
        """Share of the test reviews."""
        return self.found / self.test_reviews


class CorpusIdentity(Part):
    """Which reviews: enough to tell whether two results are of the same rows."""

    name: str
    source: str
    labels: list[str]
    train_reviews: int
    validation_reviews: int
    test_reviews: int
    train_hash: str
    test_hash: str
    label_balance: dict[str, dict[str, int]]
    words: LengthQuantiles
    duplicates_dropped: int
    conflicting_dropped: int
    skipped_rows: int
    #: Reviews read without their labels, for distillation and masked-language-model adaptation.
    unlabelled_reviews: int = 0
    unlabelled_hash: str | None = None
    #: How to load the same corpus again: keyword arguments of ``slmbench.corpora.load_corpus``.
    options: dict[str, Any]
    #: The columns that were read, named or guessed: ``text`` (several with commas between them) and ``label``.
    columns: dict[str, str] = Field(default_factory=dict)
    notes: list[str]
    #: ``None`` where they were not looked for.
    near_duplicates: NearDuplicates | None = None
    #: Held-out rows beside the test rows, used for nothing else; zero in records from before they were set aside.
    confirmation_reviews: int = 0
    confirmation_hash: str | None = None
    #: Why there are none.
    no_confirmation: str | None = None


class EpochLog(Part):
    """One line of the training history."""

    epoch: float
    train_loss: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    validation_macro_f1: float | None = None


class TrainCost(Part):
    """The cost of training.

    ``reviews_per_second`` counts each review once per epoch. After an interruption, ``seconds`` is the
    part since the run was resumed, and ``resumed_at_epoch`` the epoch where that part began. Of several ``processes``
    that trained together, ``peak_rss_bytes`` is that of the first.
    """

    seconds: float
    reviews_per_second: float
    epochs: float
    peak_rss_bytes: int | None
    device: str
    precision: str
    processes: int = 1
    best_epoch: float | None
    selected_by: str | None
    resumed_at_epoch: float | None = None
    history: list[EpochLog]


class AnswerCost(Part):
    """The cost of classifying the test reviews, without loading the model.

    ``peak_rss_bytes`` is the process's peak memory by then.
    """

    seconds: float
    reviews_per_second: float
    peak_rss_bytes: int | None


class Truncation(Part):
    """How many of the test reviews are longer than the input, and how many of their tokens are therefore not read."""

    max_length: int
    reviews: int
    cut_reviews: int
    tokens: int
    cut_tokens: int
    #: What is read of longer reviews: ``head``, ``head-tail`` or ``windows``.
    long_texts: str = "head"

    def sentence(self) -> str:
        """Say what was cut; empty where nothing was."""
        if not self.cut_reviews:
            return ""
        longer = (
            f"{percent(self.cut_reviews / self.reviews)} of the test reviews are longer than {self.max_length} tokens"
        )
        if self.long_texts == "windows":
            return f"{longer} and were read in windows of so many"
        where = "in the middle" if self.long_texts == "head-tail" else "there"
        return f"{longer} and were cut {where}: {percent(self.cut_tokens / self.tokens)} of all tokens were not read"


class SeedIdentity(Part):
    """Which of several runs that differ only in their seed, and what picks the one to ship."""

    #: Digest of what shaped the run, without its seed and its test rows.
    candidate: str
    seed: int
    #: Accuracy on validation rows of the weights that were kept; ``None`` where it was not measured.
    validation_accuracy: float | None
    #: Name of the run it learned from.
    taught_by: str | None = None


class RunRecord(Record):
    """One classifier, trained or prompted, and its answers on the test rows."""

    kind = "run"
    made_by = "slmbench finetune"
    file: ClassVar[str] = "run.json"
    shown = (
        "name model method seed corpus.name test.reviews test.accuracy test.accuracy_ci95.low "
        "test.accuracy_ci95.high test.macro_f1 trainable_parameters train.seconds"
    )

    name: FolderName
    path: str
    model: str
    model_source: str
    base_sha256: str | None
    weights_sha256: str
    architecture: str
    base_license: str | None
    method: str
    seed: int
    max_length: int | None
    hyperparameters: dict[str, Any]
    trainable_parameters: int
    total_parameters: int
    parameters_without_embeddings: int
    corpus: CorpusIdentity
    #: Reviews that shaped it; ``None`` in records from before they were kept.
    ancestors: list[Ancestor] | None = None
    train: TrainCost
    #: Known for methods that need more than one forward pass of a classifier.
    answering: AnswerCost | None = None
    #: What of the test reviews was beyond ``max_length``; ``None`` of methods that read them otherwise, and before.
    truncation: Truncation | None = None
    #: Labelled examples per label; ``None`` when the method uses all training rows.
    shots: int | None = None
    #: Whether ``model/`` holds a classifier that can be exported.
    has_model: bool = True
    #: Facts of this method only: unparsable answers, calibration, teacher, parameter counts of parts.
    details: dict[str, Any] = Field(default_factory=dict)
    #: What a reader of the numbers has to know, in sentences.
    notes: list[str] = Field(default_factory=list)
    predictions: Predictions
    hardware: dict[str, Any]
    software: dict[str, str]

    @property
    def differing_facts(self) -> dict[str, Any]:
        """How runs of one model, method and number of examples can differ, besides the seed."""
        return {
            **self.hyperparameters,
            "unlabelled reviews": self.corpus.unlabelled_reviews or None,
            "teacher": (self.teacher_fact("weights_sha256") or "")[:8] or None,
            "training rows": self.corpus.train_hash[:8],
            "base model": self.base_sha256[:8] if self.base_sha256 else None,
        }

    @property
    def without_seed(self) -> str:
        """What runs have in common that differ only in their seed, as JSON."""
        facts = {**self.differing_facts, "model": self.model, "method": self.method, "shots": self.shots}
        return json.dumps(facts, sort_keys=True, default=str)

    @property
    def trained_as(self) -> SeedIdentity:
        """Which seed it is of the runs that differ only in that."""
        kept = [log for log in self.train.history if log.validation_accuracy is not None]
        best = [log for log in kept if log.epoch == self.train.best_epoch] or kept[-1:]
        return SeedIdentity(
            candidate=hashlib.sha256(self.without_seed.encode()).hexdigest(),
            seed=self.seed,
            validation_accuracy=best[0].validation_accuracy if best else None,
            taught_by=self.teacher_fact("name"),
        )

    def teacher_fact(self, fact: str) -> str | None:
        """Return a fact about the run that this one learned from, such as its ``name``."""
        teacher = self.details.get("teacher")
        return str(teacher[fact]) if isinstance(teacher, dict) and fact in teacher else None

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def test(self) -> Evaluation:
        """Metrics on the test rows, computed from ``predictions``."""
        return self.predictions.evaluate()
