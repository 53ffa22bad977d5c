"""How records look to people on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from slmbench.records import BundleRecord, ComparisonRecord, ProfileRecord, RunRecord
    from slmbench.statistics import Evaluation


def catalogue_table(items: Sequence[dict[str, Any]]) -> Table:
    """Show what can be fetched."""
    table = _table("name", "kind", "MB", "here", "what it is", "licence")
    for item in items:
        table.add_row(
            item["name"],
            item["kind"],
            f"{item['download_bytes'] / 1e6:,.0f}",
            "yes" if item["fetched"] else "",
            item["title"],
            item["licence"],
        )
    table.columns[2].justify = "right"
    return table


def run_summary(record: RunRecord) -> list[RenderableType]:
    """Show a run: test metrics with intervals, the majority baseline, confusion, training history."""
    test, corpus = record.test, record.corpus
    facts = Table.grid(padding=(0, 2))
    facts.add_row("run", record.path)
    facts.add_row(
        "model",
        f"{record.model} ({record.method}), {record.total_parameters:,} parameters,"
        f" {record.trainable_parameters:,} trained",
    )
    facts.add_row(
        "corpus",
        f"{corpus.name}: {corpus.train_reviews:,} + {corpus.validation_reviews:,} validation,"
        f" {corpus.test_reviews:,} test reviews",
    )
    facts.add_row(
        "training",
        f"{record.train.seconds:.1f} s, {record.train.reviews_per_second:.0f} reviews/s,"
        f" {record.train.precision} on {record.train.device}"
        + (f", epoch {record.train.best_epoch:g} kept" if record.train.best_epoch else ""),
    )
    facts.add_row("accuracy", f"{_with_interval(test.accuracy, test.accuracy_ci95, percent=True)}")
    facts.add_row("macro-F1", f"{_with_interval(test.macro_f1, test.macro_f1_ci95, percent=False)}")
    if test.roc_auc is not None:
        facts.add_row("ROC AUC", f"{test.roc_auc:.3f}")
    if test.top_k:
        facts.add_row("top-k", ", ".join(f"{100 * share:.1f} % in the first {k}" for k, share in test.top_k.items()))
        if test.mean_average_precision is not None:
            facts.add_row("mean average precision", f"{test.mean_average_precision:.3f}")
    facts.add_row("majority baseline", f"{100 * test.majority_baseline:.1f} %")
    parts: list[RenderableType] = [facts, _confusion(test)]
    if record.train.history:
        parts.append(_history(record))
    return parts


def bundle_summary(record: BundleRecord) -> list[RenderableType]:
    """Show a bundle's forms and the verdict on each."""
    table = _table("form", "MB", "accuracy [95 %]", "flips", "verdict", title=f"bundle {record.path}")
    for name, form in record.forms.items():
        test = form.evaluation
        table.add_row(
            name,
            f"{form.bytes / 1e6:.1f}",
            _with_interval(test.accuracy, test.accuracy_ci95, percent=True),
            f"{form.parity.label_flips}/{form.parity.reviews}",
            ("accepted: " if form.accepted else "refused: ") + form.reason,
            style=None if form.accepted else "red",
        )
    return [table]


def profile_table(records: Sequence[ProfileRecord]) -> Table:
    """Show profiles side by side; what the machine made uncertain stands below."""
    table = _table("bundle", "form", "accuracy", "p50 ms [95 %]", "p95 ms", "reviews/s", "peak MB", "cold ms", "MB")
    for column in table.columns[2:]:
        column.justify = "right"
    for record in records:
        interval = record.latency.ci95_ms
        table.add_row(
            record.bundle,
            record.form,
            f"{100 * record.accuracy:.1f} %",
            f"{record.latency.p50_ms:.3g}" + (f" [{interval[0]:.3g}–{interval[1]:.3g}]" if interval else ""),
            _or_dash(record.latency.p95_ms, ".3g"),
            _or_dash(record.throughput.reviews_per_second if record.throughput else None, ",.0f"),
            _or_dash(record.memory.peak_bytes and record.memory.peak_bytes / 1e6, ",.0f"),
            f"{record.cold_start_ms:,.0f}",
            f"{record.size_bytes / 1e6:.1f}",
        )
    notes = dict.fromkeys(
        note
        for record in records
        for note in (
            *record.warnings,
            *([f"{record.bundle} {record.form}: {record.latency.note}"] if record.latency.note else []),
        )
    )
    if notes:
        table.caption = "\n".join(notes)
        table.caption_justify = "left"
    return table


def decision_view(record: ComparisonRecord, report: Path) -> list[RenderableType]:
    """Show a comparison: the table, then the decision, then where the whole story is."""
    from slmbench.compare import decision_table

    parts: list[RenderableType] = [decision_table(record)]
    parts += [Text(decision.sentence, style="bold") for decision in record.decisions]
    parts += [Text(fact) for fact in record.floor]
    parts.append(Text(f"why each other row lost, plots and caveats: {report / 'report.md'}", style="dim"))
    return parts


def _table(*columns: str, title: str | None = None) -> Table:
    from rich import box

    return Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _confusion(test: Evaluation) -> Table:
    table = _table("true \\ predicted", *test.labels, "recall")
    for label, row in zip(test.labels, test.confusion, strict=True):
        table.add_row(label, *[f"{count:,}" for count in row], f"{test.per_class[label]['recall']:.3f}")
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _history(record: RunRecord) -> Table:
    table = _table("epoch", "train loss", "validation loss", "accuracy", "macro-F1")
    for line in record.train.history:
        kept = record.train.best_epoch is not None and abs(line.epoch - record.train.best_epoch) < 0.01
        table.add_row(
            f"{line.epoch:g}{' ←' if kept else ''}",
            _or_dash(line.train_loss, ".4f"),
            _or_dash(line.validation_loss, ".4f"),
            _or_dash(line.validation_accuracy, ".3f"),
            _or_dash(line.validation_macro_f1, ".3f"),
        )
    return table


def _with_interval(value: float, interval: tuple[float, float], *, percent: bool) -> str:
    if percent:
        return f"{100 * value:.1f} % [{100 * interval[0]:.1f}–{100 * interval[1]:.1f}]"
    return f"{value:.3f} [{interval[0]:.3f}–{interval[1]:.3f}]"


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
