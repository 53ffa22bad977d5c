"""The record of ``slmbench decide``: what was assumed of a file, every rung tried, and what to ship."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from slmbench.records.base import Part, Record
from slmbench.records.comparison import Confirmation, CorrectedAccuracy, Recommendation, Stability
from slmbench.statistics import Interval

#: What became of a rung: in the decision; only a step on a learning curve; left out because its curve promises too
#: little; left out because it would not fit into the time; failed.
RungOutcome = Literal["compared", "curve", "dropped", "no_time", "failed"]


class TriedRung(Part):
    """One classifier that was trained, or why it was not."""

    name: str
    model: str
    method: str
    #: Training reviews; ``None`` where it was not trained.
    train_reviews: int | None = None
    #: On the test reviews of the decision.
    accuracy: float | None = None
    accuracy_ci95: Interval | None = None
    #: How long training, export and profile took, in seconds; nearly 0 where an earlier command had done it.
    seconds: float | None = None
    outcome: RungOutcome
    #: The reason for every outcome but ``compared`` and ``curve``.
    why: str | None = None


class PredictedAccuracy(Part):
    """What a learning curve says of another number of training reviews."""

    train_reviews: int
    accuracy: float
    ci95: Interval


class LearningCurve(Part):
    """How the error of one rung falls with training reviews: error = scale · reviews^(−exponent).

    A power law fits errors of text classifiers over orders of magnitude (Hestness et al., *Deep Learning Scaling is
    Predictable, Empirically*, 2017). The intervals are of the test reviews, drawn again; that the law holds beyond
    the last point is assumed.
    """

    rung: str
    #: Training reviews and accuracy of each training.
    points: list[tuple[int, float]]
    exponent: float
    exponent_ci95: Interval
    #: Training reviews, and the accuracy that the curve has there.
    predicted: list[PredictedAccuracy]
    sentence: str


class DecisionRecord(Record):
    """From a file of labelled texts to what to ship.

    ``recommended``, ``confirmation``, ``corrected`` and ``stability`` are those of the comparison in ``report``.
    """

    kind = "decision"
    made_by = "slmbench decide"
    file: ClassVar[str] = "decision.json"
    rows_in = "rungs"
    shown = "name train_reviews accuracy seconds outcome why"

    #: What was found out or guessed of the file, one sentence each.
    assumed: list[str]
    #: What deserves a look in the data, one sentence each.
    findings: list[str] = Field(default_factory=list)
    time_budget_s: float
    seconds: float
    #: When the first answer stood; ``None`` where there is none.
    first_answer_seconds: float | None
    first_answer: str | None
    #: Whether Ctrl-C ended the search before its time.
    interrupted: bool
    rungs: list[TriedRung]
    #: The decision in words.
    sentence: str
    recommended: Recommendation | None
    confirmation: Confirmation | None = None
    corrected: CorrectedAccuracy | None = None
    stability: Stability | None = None
    #: Folder of the recommended bundle, and of the report.
    bundle: str | None
    report: str
    learning_curve: LearningCurve | None = None
    #: Files with rows whose label may be wrong, and with the texts to label next; ``None`` where there are none.
    suspected_labels: str | None = None
    label_next: str | None = None

    @property
    def code(self) -> str | None:
        """Three lines of Python that use the recommended bundle."""
        if self.recommended is None or self.bundle is None:
            return None
        return (
            "from slmbench.edge import Classifier\n"
            f"classifier = Classifier({self.bundle!r}, form={self.recommended.form!r})\n"
            'print(classifier.predict(["A superb film."]))'
        )
