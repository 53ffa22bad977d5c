"""The table over seeds as text: its cells and legend, for the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slmbench.common.formatting import (
    bare_megabytes,
    half_width,
    listing,
    parameters,
    percent,
    three_digits,
)
from slmbench.evaluation.groups import RunTable, SeedGroup

#: Column headers, in two lines where the cells are narrow.
HEADERS = (
    "method",
    "model",
    "examples",
    "seeds",
    "accuracy\n%",
    "sd",
    "macro\nF1",
    "train\ns",
    "answer\ns",
    "peak\nMB",
    "weights\ntrained",
    "",
)
#: Columns of text; the others hold numbers.
TEXT_COLUMNS = ("method", "model", "examples", "")
#: Columns in the order in which a narrow terminal omits them.
LEAVING = ("sd", "weights\ntrained", "peak\nMB", "answer\ns", "train\ns", "macro\nF1")
_REMARKS = {"above": "", "undecided": "at chance", "below": "below majority"}
#: A variant up to this length is beside the model, a longer one below the table.
_LONGEST_VARIANT = 20


def title_of(table: RunTable) -> str:
    """Return a table's title: the test rows and the accuracy of the majority baseline on them."""
    run = table.first
    return (
        f"{run.corpus.name}: {run.test.reviews:,} test reviews ({run.predictions.rows_hash()[:8]}); majority"
        f" baseline {percent(run.test.majority_baseline)}"
    )


def rows_of(table: RunTable) -> list[list[str]]:
    """Return the cells below :data:`HEADERS`, one list per group."""
    letters = _letters(table)
    return [_cells(group, letters.get(group.variant, group.variant)) for group in table.groups]


def _letters(table: RunTable) -> dict[str, str]:
    """Return a letter for each variant that is too long for a cell."""
    long = dict.fromkeys(group.variant for group in table.groups if len(group.variant) > _LONGEST_VARIANT)
    return {variant: f"({chr(ord('a') + number)})" for number, variant in enumerate(long)}


def _cells(group: SeedGroup, variant: str) -> list[str]:
    named = ", ".join(filter(None, [group.model, f"from {group.teacher}" if group.teacher else ""]))
    return [
        group.first.method,
        f"{named} {variant}".strip(),
        _examples(group),
        str(len(group.runs)),
        f"{100 * group.accuracy:.1f} ±{100 * half_width(group.interval):.1f}",
        _known(group.sd, lambda sd: f"{100 * sd:.1f}"),
        f"{group.macro_f1:.3f}",
        _known(group.train_seconds, three_digits),
        _known(group.answering_seconds, three_digits),
        _known(group.peak_bytes, lambda size: bare_megabytes(int(size))),
        parameters(group.first.trainable_parameters),
        _REMARKS[group.verdict],
    ]


def legend_of(table: RunTable) -> list[str]:
    """Return the sentences that a reader of the table needs."""
    groups = table.groups
    lines = [f"{letter} {variant}" for variant, letter in _letters(table).items()]
    lines.append(
        "± is half the 95 % interval for other test reviews and, where several seeds were run, other seeds; sd is"
        " over seeds."
    )
    if any(group.verdict != "above" for group in groups):
        lines.append(
            "at chance: no significant difference from the majority baseline; below majority: significantly worse."
        )
    if table.machines > 1:
        lines.append(f"The runs are from {table.machines} machines: their seconds and memory are not comparable.")
    if table.repeated:
        names = listing([run.name for run in table.repeated])
        lines.append(f"Left out, because another run has the same seed: {names}.")
    return lines


def markdown_of(tables: Sequence[RunTable]) -> str:
    """Return tables as Markdown."""
    parts = []
    for table in tables:
        rows = [[header.replace("\n", " ") for header in HEADERS], *rows_of(table)]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        rule = "|" + "|".join("---" if header in TEXT_COLUMNS else "---:" for header in HEADERS) + "|"
        lines.insert(1, rule)
        parts.append("\n\n".join([title_of(table) + ".", "\n".join(lines), *legend_of(table)]))
    return "\n\n".join(parts) + "\n"


def document_of(tables: Sequence[RunTable]) -> dict[str, Any]:
    """Return tables as a JSON document."""
    return {
        "schema": "slmbench.evaluations/1",
        "tables": [
            {
                "corpus": table.first.corpus.name,
                "test_hash": table.first.predictions.rows_hash(),
                "test_reviews": table.first.test.reviews,
                "labels": table.first.predictions.labels,
                "majority_baseline": table.first.test.majority_baseline,
                "machines": table.machines,
                "rows": [_row(group) for group in table.groups],
                "repeated": [run.name for run in table.repeated],
            }
            for table in tables
        ],
    }


def _row(group: SeedGroup) -> dict[str, Any]:
    run = group.first
    return {
        "method": run.method,
        "model": run.model,
        "variant": group.variant,
        "teacher": group.teacher,
        "shots": run.shots,
        "train_reviews": run.corpus.train_reviews + run.corpus.validation_reviews,
        "seeds": [one.seed for one in group.runs],
        "runs": [one.name for one in group.runs],
        "accuracy": group.accuracy,
        "accuracy_ci95": group.interval,
        "interval_over": group.interval_over,
        "accuracy_sd": group.sd,
        "accuracies": group.accuracies,
        "macro_f1": group.macro_f1,
        "train_seconds": group.train_seconds,
        "answering_seconds": group.answering_seconds,
        "peak_rss_bytes": group.peak_bytes,
        "trainable_parameters": run.trainable_parameters,
        "against_majority": group.verdict,
    }


def _examples(group: SeedGroup) -> str:
    run = group.first
    if run.shots is not None:
        return f"{run.shots} a label" if run.shots else "none"
    return f"{run.corpus.train_reviews + run.corpus.validation_reviews:,}"


def _known(value: float | None, write: Any) -> str:
    return "–" if value is None else write(value)
