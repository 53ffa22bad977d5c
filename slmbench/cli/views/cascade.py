"""What a terminal shows of a cascade."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from slmbench.cascade.plot import PLOT
from slmbench.cascade.thresholds import cascade_time, notable_rows
from slmbench.cli.views.fitting_table import FittingTable, number, percent_with_bounds, text
from slmbench.common.formatting import milliseconds, percent, three_digits
from slmbench.records import BundleRecord
from slmbench.records.cascade import CascadeFacts
from slmbench.statistics import Evaluation


def cascade_summary(record: BundleRecord) -> list[RenderableType]:
    """Show a cascade beside its members, the main thresholds, and where the plot is.

    Args:
        record: Record of a bundle that is a cascade.
    """
    facts, plot = record.cascade, Path(record.path) / PLOT
    if facts is None:
        raise ValueError(f"{record.name} is not a cascade")
    form = next(iter(record.forms.values()))
    parts: list[RenderableType] = [_systems(record, facts), _sweep(facts)]
    parts.append(Text(f"threshold {facts.threshold:.4g}: {facts.chosen}"))
    parts.append(Text(_runtime(facts)))
    parts.append(
        Text(("accepted: " if form.accepted else "refused: ") + form.reason, style="" if form.accepted else "red")
    )
    parts += [Text(f"note: {note}", style="yellow") for note in facts.notes]
    if plot.is_file():
        parts.append(Text(f"accuracy against runtime: {plot}", style="dim"))
    return parts


def _systems(record: BundleRecord, facts: CascadeFacts) -> FittingTable:
    columns = [
        text(""),
        number("accuracy\n% [95 %]"),
        number("macro\nF1", leaves=1),
        number("routed", leaves=2),
        number("ms a\nreview"),
    ]
    table = FittingTable(columns, title=f"cascade {record.path}")
    form = next(iter(record.forms.values()))
    means = facts.timing.mean_ms
    rows: list[tuple[str, Evaluation, str, float]] = [
        (f"small: {facts.small.name} {facts.small.form}", facts.small.evaluation, "", means["small"]),
        (f"large: {facts.large.name} {facts.large.form}", facts.large.evaluation, "", means["large"]),
        ("cascade", form.evaluation, percent(facts.routed), means["cascade"]),
    ]
    for name, test, routed, ms in rows:
        table.add_row(
            name,
            percent_with_bounds(test.accuracy, test.accuracy_ci95),
            f"{test.macro_f1:.3f}",
            routed,
            three_digits(ms),
        )
    return table


def _sweep(facts: CascadeFacts) -> FittingTable:
    table = FittingTable(
        [
            text("threshold"),
            number("routed"),
            number("accuracy"),
            number("ms a\nreview"),
            number("routed,\nvalidation", leaves=1),
            number("accuracy,\nvalidation", leaves=2),
        ]
    )
    for row in notable_rows(facts):
        chosen = row.threshold == facts.threshold
        table.add_row(
            f"{row.threshold:.4g}{' ←' if chosen else ''}",
            percent(row.routed),
            percent(row.accuracy),
            three_digits(row.ms),
            "–" if row.validation_routed is None else percent(row.validation_routed),
            "–" if row.validation_accuracy is None else percent(row.validation_accuracy),
        )
    return table


def _runtime(facts: CascadeFacts) -> str:
    """Compare the computed runtime with the measured one, over the reviews that were timed."""
    timing = facts.timing
    share = sum(timing.routed) / len(timing.routed)
    means = timing.mean_ms
    source = (
        f"from profiles {facts.profiled.small} and {facts.profiled.large} ({facts.profiled.machine})"
        if facts.profiled
        else "from the members' own times"
    )
    return (
        f"runtime: {milliseconds(facts.ms)} per review over all test reviews, computed {source};"
        f" on the {len(timing.routed)} reviews timed ({percent(share)} routed) measured"
        f" {milliseconds(means['cascade'])}, computed"
        f" {milliseconds(cascade_time(means['small'], means['large'], share))};"
        f" as slow as {facts.large.name} alone at {percent(facts.break_even)} routed"
    )
