"""How records look to people on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from slmbench.cli.views.evaluation import (
    add_details,
    add_making,
    add_metrics,
    class_table,
    confusion_table,
    with_interval,
)
from slmbench.cli.views.tables import UNKNOWN, FittingTable, number, percent_with_bounds, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from slmbench.records import (
        BundleRecord,
        CheckpointRecord,
        ComparisonRecord,
        FormRecord,
        RunRecord,
        VerificationRecord,
    )


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
    """Show a run: test metrics with intervals, the majority baseline, confusion, training history."""
    facts = Table.grid(padding=(0, 2))
    facts.add_row("run", Text(record.path))
    add_making(facts, record)
    add_metrics(facts, record.test)
    add_details(facts, record)
    parts: list[RenderableType] = [facts]
    if len(record.test.labels) > 2:
        parts.append(class_table(record.test))
    parts.append(confusion_table(record.test))
    if record.train.history:
        parts.append(_history(record))
    return [*parts, *(Text(note, style="dim") for note in record.notes)]


def checkpoint_summary(record: CheckpointRecord) -> list[RenderableType]:
    """Show an adapted language model: what it read, and its perplexity before and after."""
    corpus, losses, train = record.corpus, record.losses, record.train
    facts = Table.grid(padding=(0, 2))
    facts.add_row("checkpoint", record.path)
    facts.add_row("model", f"{record.model} ({record.method}), {record.total_parameters:,} parameters")
    facts.add_row(
        "corpus",
        f"{corpus.name}: {corpus.reviews:,} reviews, epochs: {train.epochs:g}, {corpus.tokens:,} tokens in all;"
        f" measured on {len(losses.blanks):,} others",
    )
    facts.add_row(
        "training",
        f"{train.seconds:.1f} s, {train.reviews_per_second:.0f} reviews/s, {train.precision} on {train.device}",
    )
    before = (losses.perplexity_before, losses.perplexity_before_ci95)
    after = (losses.perplexity_after, losses.perplexity_after_ci95)
    for when, (value, (low, high)) in (("before", before), ("after", after)):
        facts.add_row(f"perplexity {when}", f"{value:,.1f} [{low:,.1f}–{high:,.1f}]")
    facts.add_row("after / before", with_interval(losses.ratio, losses.ratio_ci95, percent=False))
    return [facts, *(Text(note, style="dim") for note in record.notes)]


def bundle_summary(record: BundleRecord) -> list[RenderableType]:
    """Show a bundle's forms and the verdict on each."""
    table = FittingTable(
        [
            text("form"),
            number("size\nMB"),
            number("accuracy\n% [95 %]"),
            number("minus fp32\npoints [95 %]", leaves=4, optional=True),
            number("p", leaves=3, optional=True),
            number("labels\nchanged", leaves=5),
            number("changed\nin batches", leaves=1, optional=True),
            number("speed", leaves=2, optional=True),
            text("verdict"),
        ],
        title=f"bundle {record.path}",
    )
    for name, form in record.forms.items():
        test, loss, gain = form.evaluation, form.difference_to_fp32, form.gain
        table.add_row(
            name,
            f"{form.bytes / 1e6:.1f}",
            percent_with_bounds(test.accuracy, test.accuracy_ci95),
            f"{100 * loss.difference:+.1f} [{100 * loss.ci95[0]:+.1f}, {100 * loss.ci95[1]:+.1f}]" if loss else "",
            f"{loss.p_value:.2g}" if loss else "",
            f"{form.parity.label_flips}/{form.parity.reviews}",
            f"{form.batching.label_flips}/{form.batching.reviews}" if form.batching else "",
            f"{gain.speedup:.2f}×" if gain else "",
            _verdict(form),
            style=None if form.accepted else "red",
        )
    parts: list[RenderableType] = [table]
    parts += [
        Text(f"{name}: {len(form.search.kept)} of {len(form.search.divergence)} products kept in float", style="dim")
        for name, form in record.forms.items()
        if form.search and form.accepted
    ]
    return parts


def _verdict(form: FormRecord) -> str:
    if not form.accepted:
        return f"refused: {form.reason}"
    if form.gain is None:
        return f"accepted: {form.reason}" if form.difference_to_fp32 is None else "accepted"
    return form.gain.sentence.split(":")[0] if form.gain.verdict != "none" else "no gain on this CPU"


def verification_summary(record: VerificationRecord) -> list[RenderableType]:
    """Show whether a bundle answers here as it did where it was exported."""
    table = FittingTable(
        [
            text("form"),
            number("texts", leaves=1),
            number("maximum logit\ndifference", leaves=3),
            number("allowed", leaves=2),
            text("verdict"),
        ],
        title=f"bundle {record.path}",
    )
    for name, form in record.forms.items():
        table.add_row(
            name,
            str(form.texts),
            _or_dash(form.max_abs_logit_diff, ".1e"),
            _or_dash(form.tolerance, ".2g"),
            ("agrees: " if form.agrees else "differs: ") + form.sentence,
            style=None if form.agrees else "red",
        )
    here = record.hardware["machine"]
    parts: list[RenderableType] = [table, *(Text(sentence, style="red") for sentence in record.damaged)]
    same = "the same kind of machine" if here == record.exported_on else f"here {here}"
    parts.append(Text(f"exported on {record.exported_on}; {same}", style="dim"))
    parts += [
        Text(f"{library} {before or 'absent'} there, {now or 'absent'} here", style="dim")
        for library, (before, now) in record.other_versions.items()
    ]
    return parts


def decision_view(record: ComparisonRecord, report: Path) -> list[RenderableType]:
    """Show a comparison: the table, then the decision, then where the whole story is."""
    from slmbench.cli.views.decision import decision_table

    parts: list[RenderableType] = [decision_table(record)]
    parts += [Text(decision.sentence, style="bold") for decision in record.decisions]
    parts += [Text(fact) for fact in [*record.floor, *record.cascades]]
    parts.append(Text(f"why each other row lost, plots and caveats: {report / 'report.html'}", style="dim"))
    return parts


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
            _or_dash(line.train_loss, ".4f"),
            _or_dash(line.validation_loss, ".4f"),
            _or_dash(line.validation_accuracy, ".3f"),
            _or_dash(line.validation_macro_f1, ".3f"),
        )
    return table


def _or_dash(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)
