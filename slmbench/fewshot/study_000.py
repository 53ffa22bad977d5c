"""Study 000's published tables, recomputed from its predictions, and what they hide.

The study (Cabestany & Adsuar, "Are Bigger Models Always Better?") asked BERT and DistilBERT to fill in
"…, this review is [MASK]." after 10,000 Amazon review titles: *positive* among the 30 likeliest words means
positive, else *negative* among them means negative, else the answer is ``unknown``.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.errors import SlmbenchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Prediction columns of the study's file, with the names its tables have.
RUNS = {
    "fewshot_distilbert": "few-shot DistilBERT",
    "fewshot_bert": "few-shot BERT",
    "zeroshot_distilbert": "zero-shot DistilBERT",
    "zeroshot_bert": "zero-shot BERT",
}
#: Rows at the start whose gold label was appended to the text and stored as the prediction: its "shots".
LABELLED_ROWS = 12
_LABELS = ("positive", "negative", "unknown")


@dataclass(frozen=True)
class ClozeTable:
    """Confusion and metrics of one run.

    Attributes:
        confusion: Rows true, columns predicted label, positive first; ``unknown`` answers are in ``unknown``.
        unknown: Undecided positive and negative reviews.
        precision: Macro average over the classes.
        recall: The same.
        f1: The same.
        accuracy: Right answers over all reviews, which is also micro-F1.
        classes: Over how many classes the averages go.
    """

    confusion: tuple[tuple[int, int], tuple[int, int]]
    unknown: tuple[int, int]
    precision: float
    recall: float
    f1: float
    accuracy: float
    classes: int

    def truncated(self) -> tuple[float, float, float, float]:
        """Return precision, recall, F1 and accuracy cut off after three decimals, as the study printed them."""
        values = (self.precision, self.recall, self.f1, self.accuracy)
        return tuple(math.floor(value * 1000 + 1e-9) / 1000 for value in values)  # type: ignore[return-value]


@dataclass(frozen=True)
class Finding:
    """Something the published tables hide: a claim and the count of rows that bear it out."""

    claim: str
    rows: int
    of: int


def read_predictions(path: Path) -> dict[str, list[str]]:
    """Read the study's predictions.

    Args:
        path: CSV with the columns ``label`` and those of :data:`RUNS`.

    Returns:
        Columns by name, in row order.

    Raises:
        UsageError: There is no such file.
        SlmbenchError: A column is missing, or a value is neither a label nor ``unknown``.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = ("label", *RUNS)
    missing = [name for name in wanted if not rows or name not in rows[0]]
    if missing:
        raise SlmbenchError(f"{path} has no column {', '.join(missing)}: it is not study 000's predictions")
    for number, row in enumerate(rows, 1):
        strange = next((row[name] for name in wanted if row[name] not in _LABELS), None)
        if strange is not None:
            raise SlmbenchError(f"{path}: row {number}: {strange!r} is none of {', '.join(_LABELS)}")
    return {name: [row[name] for row in rows] for name in wanted}


def cloze_table(truth: Sequence[str], predicted: Sequence[str], *, classes: int = 3) -> ClozeTable:
    """Compute the confusion and the macro averages of a run.

    Args:
        truth: ``positive`` or ``negative``.
        predicted: The same, or ``unknown``.
        classes: 3 averages over ``unknown`` as well, a class without a single true row, as the study did; 2 over
            the two labels, where an undecided review counts as an error of its own class.
    """
    count = {
        (true, said): sum(1 for pair in zip(truth, predicted, strict=True) if pair == (true, said))
        for true in _LABELS
        for said in _LABELS
    }
    precisions, recalls, f1s = [], [], []
    for label in _LABELS[:classes]:
        hits = count[label, label]
        said = sum(count[true, label] for true in _LABELS)
        there = sum(count[label, answer] for answer in _LABELS)
        precisions.append(hits / said if said else 0.0)
        recalls.append(hits / there if there else 0.0)
        f1s.append(2 * hits / (said + there) if said + there else 0.0)
    return ClozeTable(
        confusion=(
            (count["positive", "positive"], count["positive", "negative"]),
            (count["negative", "positive"], count["negative", "negative"]),
        ),
        unknown=(count["positive", "unknown"], count["negative", "unknown"]),
        precision=sum(precisions) / classes,
        recall=sum(recalls) / classes,
        f1=sum(f1s) / classes,
        accuracy=sum(count[label, label] for label in _LABELS) / len(truth),
        classes=classes,
    )


def findings(columns: dict[str, list[str]]) -> list[Finding]:
    """Count what shows that few-shot is zero-shot and that the headline is an inheritance bug.

    A model that found neither word kept the variable of the run before it. DistilBERT's few-shot run came first,
    so its ``unknown`` rows are truly its own; in its zero-shot run they carry BERT's answers.

    Args:
        columns: From :func:`read_predictions`.
    """
    rows = range(LABELLED_ROWS, len(columns["label"]))
    few, zero = columns["fewshot_distilbert"], columns["zeroshot_distilbert"]
    few_bert, zero_bert = columns["fewshot_bert"], columns["zeroshot_bert"]
    undecided = [row for row in rows if few[row] == "unknown"]
    decided = [row for row in rows if few[row] != "unknown"]
    return [
        Finding(
            "BERT: few-shot and zero-shot answers are the same (no shot ever reached a prompt)",
            sum(few_bert[row] == zero_bert[row] for row in rows),
            len(rows),
        ),
        Finding(
            "DistilBERT, where it could decide: few-shot and zero-shot answers are the same",
            sum(few[row] == zero[row] for row in decided),
            len(decided),
        ),
        Finding(
            "DistilBERT, where it could not decide: its zero-shot answer is BERT's (inherited)",
            sum(zero[row] == few_bert[row] for row in undecided),
            len(undecided),
        ),
    ]
