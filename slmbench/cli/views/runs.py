"""How runs, adapted models, comparisons and the catalogue look to people on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from slmbench.cli.views.evaluation import (
    add_details,
    add_metrics,
    add_run_facts,
    class_table,
    confusion_table,
)
from slmbench.cli.views.fitting_table import FittingTable, number, text, with_bounds
from slmbench.common.formatting import percent, percent_interval
from slmbench.records import CheckpointRecord, CrossValidationRecord, RunRecord


def catalogue_table(items: Sequence[dict[str, Any]]) -> FittingTable:
    """Show what can be fetched."""
    table = FittingTable(
        [
            text("name"),
            text("kind", leaves=1),
            number("MB"),
            text("here"),
            text("what it is"),
            text("licence", leaves=2),
        ]
    )
    for item in items:
        table.add_row(
            item["name"],
            item["kind"],
            f"{item['download_bytes'] / 1e6:,.0f}",
            "yes" if item["fetched"] else "",
            item["title"],
            item["licence"],
        )
    return table


def run_summary(record: RunRecord) -> list[RenderableType]:
    """Show a run: metrics on its test reviews, confusion matrix, training history."""
    facts = Table.grid(padding=(0, 2))
    facts.add_row("run", Text(record.path))
    add_run_facts(facts, record)
    add_metrics(facts, record.test)
    add_details(facts, record)
    parts: list[RenderableType] = [facts]
    if len(record.test.labels) > 2:
        parts.append(class_table(record.test))
    parts.append(confusion_table(record.test))
    if record.train.history:
        parts.append(_history(record))
    return [*parts, *(Text(note, style="dim") for note in record.notes)]


def cross_validation_summary(record: CrossValidationRecord) -> list[RenderableType]:
    """Show a cross-validation: its folds, and the metrics over all reviews."""
    table = FittingTable([text("fold"), *(number(head) for head in ("trained", "tested", "accuracy", "macro-F1"))])
    for place, fold in enumerate(record.folds, 1):
        sizes = (f"{fold.train_reviews:,}", f"{fold.test_reviews:,}")
        table.add_row(str(place), *sizes, percent(fold.accuracy), f"{fold.macro_f1:.3f}")
    test = record.evaluation
    facts = Table.grid(padding=(0, 2))
    facts.add_row("model", Text(f"{record.model} ({record.method})"))
    facts.add_row("corpus", Text(f"{record.corpus}: each of {test.reviews:,} reviews tested once"))
    facts.add_row("accuracy", f"{percent(test.accuracy)} [{percent_interval(record.accuracy_ci95)}]")
    facts.add_row("macro-F1", f"{test.macro_f1:.3f}")
    facts.add_row("majority baseline", percent(test.majority_baseline))
    ship = "To ship a classifier, train it on all reviews: the same command without --folds, with --train-size all."
    parts: list[RenderableType] = [table, facts, confusion_table(test), Text(ship)]
    return [*parts, *(Text(note, style="dim") for note in record.notes)]


def checkpoint_summary(record: CheckpointRecord) -> list[RenderableType]:
    """Show an adapted language model: its training reviews, and its perplexity before and after."""
    corpus, losses, train = record.corpus, record.losses, record.train
    facts = Table.grid(padding=(0, 2))
    facts.add_row("checkpoint", record.path)
    facts.add_row("model", f"{record.model} ({record.method}), {record.total_parameters:,} parameters")
    facts.add_row(
        "corpus",
        f"{corpus.name}: {corpus.reviews:,} reviews, {corpus.tokens:,} tokens, epochs: {train.epochs:g};"
        f" perplexity on {len(losses.blanks):,} others",
    )
    facts.add_row(
        "training",
        f"{train.seconds:.1f} s, {train.reviews_per_second:.0f} reviews/s, {train.precision} on {train.device}",
    )
    before = (losses.perplexity_before, losses.perplexity_before_ci95)
    after = (losses.perplexity_after, losses.perplexity_after_ci95)
    for when, (value, interval) in (("before", before), ("after", after)):
        facts.add_row(f"perplexity {when}", with_bounds(value, interval, ",.1f"))
    facts.add_row("after / before", with_bounds(losses.ratio, losses.ratio_ci95, ".3f"))
    return [facts, *(Text(note, style="dim") for note in record.notes)]


def _history(record: RunRecord) -> FittingTable:
    table = FittingTable(
        [
            text("epoch"),
            number("training\nloss"),
            number("validation\nloss"),
            number("validation\naccuracy"),
            number("validation\nmacro-F1", leaves=1),
        ]
    )
    for line in record.train.history:
        kept = record.train.best_epoch is not None and abs(line.epoch - record.train.best_epoch) < 0.01
        table.add_row(
            f"{line.epoch:g}{' ←' if kept else ''}",
            with_bounds(line.train_loss, None, ".4f"),
            with_bounds(line.validation_loss, None, ".4f"),
            with_bounds(line.validation_accuracy, None, ".3f"),
            with_bounds(line.validation_macro_f1, None, ".3f"),
        )
    return table
