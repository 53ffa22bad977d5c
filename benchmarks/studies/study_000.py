"""Study 000's four tables recomputed from its predictions, the corrected ones, and what they hide.

    python benchmarks/studies/study_000.py amazon_movies_tv_cloze_predictions.csv

The study (Cabestany & Adsuar, "Are Bigger Models Always Better?") asked BERT and DistilBERT to fill in
"…, this review is [MASK]." after 10,000 Amazon review titles: *positive* among the 30 likeliest words means
positive, else *negative* among them means negative, else the answer is ``unknown``. The file is the study's own
output (titles, labels, four columns of predictions); it is not part of slmbench.
"""

from __future__ import annotations

import argparse
import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import Corpus, Split
from slmbench.corpora.rows import Review, text_digest
from slmbench.methods.protocols import CLOZE_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Something the published tables hide: a claim and the number of rows that support it."""

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
    wanted = ("label", *RUNS)
    rows = _rows(path, *wanted)
    for number, row in enumerate(rows, 1):
        strange = next((row[name] for name in wanted if row[name] not in _LABELS), None)
        if strange is not None:
            raise SlmbenchError(f"{path}: row {number}: {strange!r} is none of {', '.join(_LABELS)}")
    return {name: [row[name] for row in rows] for name in wanted}


def study_corpus(path: Path, rows: int | None = None) -> Corpus:
    """Read the study's titles as test rows, to repeat its experiment with any model.

    Unlike :func:`slmbench.corpora.load_corpus` this keeps every row in its place: copies, titles that occur with
    both labels, and an empty one.

    Args:
        path: CSV with the columns ``title`` and ``label``.
        rows: Number of rows to keep, from the first on; the file is in random order.

    Returns:
        A corpus without training rows. The sentence with the label that the study appended to the first titles is
        removed.

    Raises:
        UsageError: There is no such file.
        SlmbenchError: A column is missing, or a label is neither ``positive`` nor ``negative``.
    """
    names = ["negative", "positive"]
    before, after = CLOZE_TEMPLATE.removeprefix("{text}").split("{mask}")
    titles = []
    for number, row in enumerate(_rows(path, "title", "label")[:rows], 1):
        if row["label"] not in names:
            raise SlmbenchError(f"{path}: row {number}: {row['label']!r} is none of {', '.join(names)}")
        title = row["title"]
        if number <= LABELLED_ROWS:
            title = title.removesuffix(f"{before}{row['label']}{after}")
        titles.append(Review(number, title, row["label"], text_digest(title)))
    return Corpus(
        name="study-000",
        source=f"{path.name}: the titles of study 000 in its order",
        label_names=names,
        train=Split([], [], []),
        validation=Split([], [], []),
        test=Split(
            [row.text for row in titles],
            [names.index(row.label) for row in titles],
            [row.row_id for row in titles],
        ),
        train_pool=0,
        test_pool=len(titles),
        duplicates_dropped=0,
        conflicting_dropped=0,
        skipped_rows=0,
        notes=["every row of study 000 is kept: copies, and titles that occur with both labels"],
    )


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
    """Count the rows that show that few-shot is zero-shot and that the headline is an inheritance bug.

    A model that found neither word kept the variable of the run before it. DistilBERT's few-shot run came first,
    so its ``unknown`` rows are its own; in its zero-shot run they have BERT's answers.

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


def _rows(path: Path, *wanted: str) -> list[dict[str, str]]:
    """Read a CSV that has at least some columns."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in wanted if not rows or name not in rows[0]]
    if missing:
        raise SlmbenchError(f"{path} has no column {', '.join(missing)}: it is not study 000's predictions")
    return rows


def main() -> None:
    """Print the tables and findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    columns = read_predictions(parser.parse_args().predictions)
    truth = columns["label"]
    print("As published: positive first, unknown answers left out of the 2x2, macro over 3 classes,", end=" ")
    print("cut after 3 decimals.")
    print("The captions were swapped: the first row is the TRUE positives' row, not the negatives'.")
    header = f"{'run':22} {'pos>pos':>8} {'pos>neg':>8} {'neg>pos':>8} {'neg>neg':>8} {'unknown':>10}"
    print(header + f" {'P':>6} {'R':>6} {'F1':>6} {'micro':>6}")
    for column, name in RUNS.items():
        table = cloze_table(truth, columns[column])
        (pp, pn), (np, nn) = table.confusion
        metrics = " ".join(f"{value:>6.3f}" for value in table.truncated())
        unknown = "+".join(str(count) for count in table.unknown)
        print(f"{name:22} {pp:>8} {pn:>8} {np:>8} {nn:>8} {unknown:>10} {metrics}")
    print()
    rows = len(truth) - LABELLED_ROWS
    print(f"Corrected: the {LABELLED_ROWS} rows that have their true label removed ({rows:,} left),", end=" ")
    print("macro over the 2 labels,")
    print("undecided reviews count as errors. Only the first run's answers are all its own; the others inherit some.")
    for column, name in RUNS.items():
        table = cloze_table(truth[LABELLED_ROWS:], columns[column][LABELLED_ROWS:], classes=2)
        note = "" if column == "fewshot_distilbert" else "  (with inherited answers)"
        print(f"{name:22} accuracy {table.accuracy:.4f}  macro-F1 {table.f1:.4f}{note}")
    majority = max(truth[LABELLED_ROWS:].count(label) for label in ("positive", "negative")) / rows
    print(f"{'majority baseline':22} accuracy {majority:.4f}")
    print()
    for finding in findings(columns):
        print(f"{finding.claim}: {finding.rows:,} of {finding.of:,} rows")


if __name__ == "__main__":
    main()
