"""The record of an evaluation: a trained classifier on reviews, usually of another corpus than its own."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field, computed_field

from slmbench.common.formatting import p_value, percent
from slmbench.records.base import Record
from slmbench.records.predictions import Evaluated
from slmbench.records.run import CorpusIdentity
from slmbench.statistics import SIGNIFICANCE


class EvaluationRecord(Record, Evaluated):
    """A run or a bundle scored on reviews it was not trained on; nothing is trained.

    ``corpus`` describes the reviews scored, all of them test rows, after ``label_map`` has replaced their labels; its
    ``options`` are keyword arguments of ``slmbench.corpora.load_for_testing``.
    """

    kind = "evaluation"
    made_by = "slmbench evaluate"
    file: ClassVar[str] = "evaluation.json"
    shown = (
        "subject_name form corpus.name evaluation.reviews evaluation.accuracy "
        "evaluation.accuracy_ci95.low evaluation.accuracy_ci95.high evaluation.macro_f1 "
        "evaluation.majority_baseline"
    )

    path: str
    #: What was scored, a run or a form of a bundle, and its folder.
    subject: Literal["run", "bundle"]
    subject_name: str
    subject_path: str
    form: str | None
    weights_sha256: str
    model: str
    method: str
    #: Name and hash of the reviews it was trained on.
    trained_on: str
    train_hash: str
    #: Whether these are its own test rows, with the answers in its record.
    own_rows: bool
    corpus: CorpusIdentity
    #: From labels of the corpus to labels of the classifier.
    label_map: dict[str, str] = Field(default_factory=dict)
    #: Reviews left out because the classifier was trained on them; ``None`` when that could not be checked.
    training_rows_left_out: int | None
    #: Seconds of answering, without loading; ``None`` when the answers come from a record that does not have them.
    seconds: float | None
    #: How the reviews were passed in: one by one, or in batches.
    regime: str
    notes: list[str] = Field(default_factory=list)
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def majority_p_value(self) -> float:
        """Two-sided p-value of the exact binomial test of the accuracy against the majority baseline.

        The baseline is taken as fixed: it is the share of the most frequent label in these reviews.
        """
        from scipy.stats import binomtest

        hits = int(self.predictions.right().sum())
        return float(binomtest(hits, self.evaluation.reviews, self.evaluation.majority_baseline).pvalue)

    def majority_sentence(self) -> str:
        """Say whether the accuracy differs significantly from the majority baseline, and what to look at if not."""
        test = self.evaluation
        label, scores = max(test.per_class.items(), key=lambda entry: entry[1]["reviews"])
        # The F1 of that label has full recall and the baseline's precision; every other label's is 0.
        f1 = 2 * scores["reviews"] / (scores["reviews"] + test.reviews) / len(test.labels)
        tested = f"{percent(test.majority_baseline)}; exact binomial test, {p_value(self.majority_p_value)}"
        baseline = f"the majority baseline, always '{label}' ({tested})"
        instead = f"look at macro-F1 ({test.macro_f1:.3f}; of the baseline {f1:.3f})"
        points = 100 * (test.accuracy - test.majority_baseline)
        if self.majority_p_value >= SIGNIFICANCE:
            return f"The accuracy does not differ significantly from {baseline}: {instead}."
        if points > 0:
            return f"The accuracy is {points:.1f} points above {baseline}."
        return f"The accuracy is {-points:.1f} points below {baseline}: {instead}."

    def sentence(self) -> str:
        """Say what was scored on what, with the result."""
        test = self.evaluation
        form = f" {self.form}" if self.form else ""
        return (
            f"{self.subject_name}{form} on {self.corpus.name} ({test.reviews:,} reviews): accuracy"
            f" {percent(test.accuracy)}, macro-F1 {test.macro_f1:.3f}. {self.majority_sentence()}"
        )
