"""How evaluations look to people on a terminal: metrics, classes, confusion matrix, and the table over seeds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from slmbench.cli.views.fitting_table import FittingTable, number, text, with_bounds
from slmbench.common.formatting import percent, three_digits
from slmbench.evaluation.groups import RunTable
from slmbench.evaluation.run_tables import HEADERS, LEAVING, TEXT_COLUMNS, legend_of, rows_of, title_of
from slmbench.records import EvaluationRecord, RunRecord
from slmbench.records.ancestors import ancestry_phrase
from slmbench.statistics import METRICS, Evaluation

#: Maximum width of the labels in the header of a confusion matrix; wider ones become numbers.
_MAX_HEADER_WIDTH = 72
#: Maximum number of characters of a detail that is shown.
_MAX_DETAIL_WIDTH = 80


def add_run_facts(facts: Table, run: RunRecord) -> None:
    """Add a run's model, corpus, and the cost of training and prediction."""
    facts.add_row(
        "model",
        Text(
            f"{run.model} ({run.method}), {run.total_parameters:,} parameters, {run.trainable_parameters:,} trained"
        ),
    )
    corpus, train = run.corpus, run.train
    facts.add_row(
        "corpus",
        Text(
            f"{corpus.name}: {corpus.train_reviews:,} + {corpus.validation_reviews:,} validation,"
            f" {corpus.test_reviews:,} test reviews"
            f"{f', {corpus.confirmation_reviews:,} for confirmation' if corpus.confirmation_reviews else ''}"
        ),
    )
    if corpus.near_duplicates and corpus.near_duplicates.found:
        near = corpus.near_duplicates
        facts.add_row(
            "near-duplicates", f"{near.found:,} of {near.test_reviews:,} test reviews ({percent(near.share)})"
        )
    if made_from := ancestry_phrase(run.ancestors or ()):
        facts.add_row("made from", Text(made_from))
    if run.truncation and (cut := run.truncation.sentence()):
        facts.add_row("length", cut)
    if run.shots is not None:
        facts.add_row("examples", f"{run.shots} per label" if run.shots else "none")
    if train.seconds:
        facts.add_row(
            "training",
            f"{train.seconds:.1f} s, {train.reviews_per_second:.0f} reviews/s, {train.precision} on {train.device}"
            + (f", epoch {train.best_epoch:g} kept" if train.best_epoch else ""),
        )
    if run.answering:
        facts.add_row(
            "answering",
            f"{run.answering.seconds:.1f} s, {three_digits(run.answering.reviews_per_second)} reviews/s"
            + (f", peak {run.answering.peak_rss_bytes / 1e6:,.0f} MB" if run.answering.peak_rss_bytes else ""),
        )


def add_metrics(facts: Table, test: Evaluation) -> None:
    """Add the metrics of a classification."""
    for metric in METRICS:
        value, interval = test.value(metric.name), test.interval(metric.name)
        if value is None or not metric.in_summary(len(test.labels)):
            continue
        if metric.unit == "%":
            shown = percent(value) + (f" [{100 * interval[0]:.1f}–{100 * interval[1]:.1f}]" if interval else "")
        else:
            shown = with_bounds(value, interval, ".3f")
        facts.add_row(metric.title, shown)
    for name, reason in test.failed_metrics.items():
        facts.add_row(name, Text(reason))
    if test.abstained:
        facts.add_row("without a label", f"{test.abstained:,} of {test.reviews:,}, counted as wrong")
    facts.add_row("majority baseline", percent(test.majority_baseline))


def add_details(facts: Table, run: RunRecord) -> None:
    """Add the details that a run's method records, in short: plain values, and those one level below; no hashes."""
    for name, value in run.details.items():
        inside = value if isinstance(value, dict) else {"": value}
        plain = [
            f"{key} {_brief(entry)}".strip()
            for key, entry in inside.items()
            if isinstance(entry, (str, int, float)) and not key.endswith(("sha256", "hash"))
        ]
        if plain:
            facts.add_row(name.replace("_", " "), Text(", ".join(plain)))


def class_table(test: Evaluation) -> FittingTable:
    """Show precision, recall and F1 of each label."""
    numbers = [number(header) for header in ("reviews", "precision", "recall", "F1")]
    table = FittingTable([text("label"), *numbers])
    for label, scores in test.per_class.items():
        shares = (scores["precision"], scores["recall"], scores["f1"])
        table.add_row(label, f"{scores['reviews']:,.0f}", *(f"{share:.3f}" for share in shares))
    return table


def confusion_table(test: Evaluation) -> FittingTable:
    """Show counts, true labels as rows; where labels are too many for a header, columns bear their numbers."""
    numbered = sum(len(label) + 3 for label in test.labels) > _MAX_HEADER_WIDTH
    heads = [str(number) for number in range(1, len(test.labels) + 1)] if numbered else list(test.labels)
    silence = ["no label"] if test.abstained else []
    table = FittingTable(
        [text("true \\ predicted"), *(number(head) for head in [*heads, *silence]), number("recall", leaves=1)]
    )
    for index, (label, row) in enumerate(zip(test.labels, test.confusion, strict=True), 1):
        scores = test.per_class[label]
        silent = [f"{scores['reviews'] - sum(row):,.0f}"] if test.abstained else []
        name = f"{index} {label}" if numbered else label
        table.add_row(name, *(f"{count:,}" for count in row), *silent, f"{scores['recall']:.3f}")
    return table


def evaluation_view(record: EvaluationRecord, run: RunRecord | None = None) -> list[RenderableType]:
    """Show an evaluation.

    Args:
        record: The evaluation.
        run: The run evaluated; its facts are shown when it was evaluated on its own test reviews.
    """
    test = record.evaluation
    facts = Table.grid(padding=(0, 2))
    form = f", {record.form}" if record.form else ""
    facts.add_row(record.subject, Text(record.subject_path + form))
    if run is not None and record.own_rows:
        add_run_facts(facts, run)
    else:
        facts.add_row("model", Text(f"{record.model} ({record.method}), trained on {record.trained_on}"))
    facts.add_row("tested on", Text(_tested_on(record)))
    if record.label_map:
        pairs = ", ".join(f"{own} = {meant}" for own, meant in record.label_map.items())
        facts.add_row("labels", Text(pairs))
    add_metrics(facts, test)
    if record.seconds and not record.own_rows:
        rate = three_digits(test.reviews / record.seconds)
        facts.add_row("answering", f"{record.seconds:.1f} s, {rate} reviews/s ({record.regime})")
    if run is not None and record.own_rows:
        add_details(facts, run)
    parts: list[RenderableType] = [facts, Text(record.majority_sentence(), style="bold")]
    parts += [class_table(test), confusion_table(test)]
    return [*parts, *(Text(note, style="dim") for note in record.notes)]


def seeds_table(tables: Sequence[RunTable]) -> list[RenderableType]:
    """Show runs, those that differ in their seed only as one row; one table for each set of test rows."""
    parts: list[RenderableType] = []
    for runs in tables:
        columns = [
            text(header, optional=True)
            if header in TEXT_COLUMNS
            else number(header, leaves=LEAVING.index(header) if header in LEAVING else None, optional=True)
            for header in HEADERS
        ]
        table = FittingTable(columns, title=title_of(runs))
        for group, row in zip(runs.groups, rows_of(runs), strict=True):
            table.add_row(*row, style=None if group.verdict == "above" else "dim")
        parts += [table, *(Text(line, style="dim") for line in legend_of(runs))]
    return parts


def _tested_on(record: EvaluationRecord) -> str:
    corpus = record.corpus
    if record.own_rows:
        return f"its own {corpus.test_reviews:,} held-out reviews of {corpus.name}"
    tested = f"{corpus.name}: {corpus.test_reviews:,} reviews"
    if record.training_rows_left_out is None:
        return tested
    left_out = record.training_rows_left_out
    return f"{tested}, none of them trained on" + (f" ({left_out:,} left out for that)" if left_out else "")


def _brief(value: str | float) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= _MAX_DETAIL_WIDTH else text[: _MAX_DETAIL_WIDTH - 1] + "…"
