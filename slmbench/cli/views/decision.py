"""A decision on a terminal: the table of candidates, the sentences below it, the comparison with a baseline."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from slmbench.cli.views.fitting_table import FittingTable, number, text
from slmbench.common.formatting import UNKNOWN, listing
from slmbench.common.places import BUNDLES
from slmbench.compare.constraints import limits_phrase
from slmbench.compare.front import front_phrase
from slmbench.compare.quantities import Quantity, table_quantities
from slmbench.records import ComparisonRecord, Row

RECOMMENDED, ON_FRONT, OUT = "★", "◆", "✗"


def decision_view(record: ComparisonRecord, report: Path) -> list[RenderableType]:
    """Show a comparison: the table, the decision, the comparisons with baselines, and where the reasons are.

    Args:
        record: A comparison.
        report: The folder of its report.
    """
    parts: list[RenderableType] = [decision_table(record)]
    for decision in record.decisions:
        parts.append(Text(decision.sentence, style="bold"))
        if decision.recommended is not None and decision.recommended.path is not None:
            parts.append(Text(f"{decision.recommended.label} is in {decision.recommended.path}"))
    parts += [Text(caveat, style="yellow") for decision in record.decisions for caveat in decision.caveats]
    parts += [Text(sentence) for decision in record.decisions for sentence in decision.undecided_sentences]
    parts += [Text(line) for line in [*record.baseline_sentences, *record.cascades]]
    if record.stage_sentence:
        parts.append(Text(record.stage_sentence, style="dim"))
    parts.append(Text(f"why each other row lost, plots and caveats: {report / 'report.html'}", style="dim"))
    return [*parts, *_baseline_lines(record)]


def decision_table(record: ComparisonRecord) -> FittingTable:
    """Make the table of all rows.

    The recommended row and those on the Pareto front are marked; the reason of a failed
    cell is below the table, as are limits and machines.

    Args:
        record: A comparison.
    """
    tags = record.machine_tags
    measured = [row for row in record.rows if row.failure is None]
    quantities = [quantity for quantity in table_quantities(measured) if quantity.column and quantity.column.terminal]
    headers = [(quantity.column.header, quantity.column.leaves) for quantity in quantities if quantity.column]
    columns = [text(""), *([text("on")] if tags else []), text("model"), text("form")]
    columns += [number(header, leaves=leaves) for header, leaves in headers]
    table = FittingTable(columns, notes=_notes(record))
    previous = record.rows[0].machine if record.rows else None
    for row in record.rows:
        if row.machine != previous:
            table.end_section()
            previous = row.machine
        named = [_mark(row), *([tags.get(row.machine or "", "")] if tags else [])]
        named += [f"{row.name} ({row.variant})" if row.variant else row.name, row.form or UNKNOWN]
        table.add_row(*named, *(_cell(row, quantity) for quantity in quantities), style=_style(row))
    return table


def _mark(row: Row) -> str:
    if row.failure is not None or row.refusal is not None:
        return OUT
    return (RECOMMENDED if row.recommended else "") + (ON_FRONT if row.pareto else "")


def _cell(row: Row, quantity: Quantity) -> str:
    if row.failure is not None:
        return "failed" if quantity.name == "accuracy" else ""
    value = quantity.value(row)
    return UNKNOWN if value is None else f"{quantity.write(value)} {quantity.spread(row)}".strip()


def _style(row: Row) -> str:
    if row.failure is not None:
        return "red"
    if row.recommended:
        return "bold green"
    return "" if row.pareto else "dim" if row.refusal else ""


def _notes(record: ComparisonRecord) -> list[str]:
    lines = list(record.notes)
    if any(row.recommended for row in record.rows):
        limits = f" within {limits_phrase(record.constraints)}" if record.constraints else ""
        lines.append(f"{RECOMMENDED} recommended{limits}")
    if any(row.pareto for row in record.rows):
        phrases = dict.fromkeys(front_phrase(decision.front_axes) for decision in record.decisions)
        lines.append(f"{ON_FRONT} Pareto front: {'; or '.join(phrases)}")
    elif any(row.profile is not None and row.refusal is None for row in record.rows):
        lacking = dict.fromkeys(listing(decision.front_axes) for decision in record.decisions)
        lines.append(f"no Pareto front: no row has each of {'; or '.join(lacking)}")
    if record.tested_on:
        lines.append(record.tested_on)
    lines += [f"the bundle of a model is in {BUNDLES / prefix}MODEL" for prefix in _prefixes(record)]
    tags = record.machine_tags
    lines += [f"{tag} = {record.machines[machine]['name']}" for machine, tag in tags.items()]
    if not tags:
        lines += [f"machine: {facts['name']}" for facts in record.machines.values()]
    for failure in dict.fromkeys(row.failure for row in record.rows if row.failure is not None):
        rows = [row.label for row in record.rows if row.failure == failure]
        lines.append(f"{OUT} failed: {listing(rows)}: {failure}")
    measured = [row for row in record.rows if row.failure is None]
    for label in dict.fromkeys(row.only_answer for row in measured if row.only_answer is not None):
        rows = [row.label for row in measured if row.only_answer == label]
        lines.append(f"always answers '{label}': {listing(rows)}")
    for reason in dict.fromkeys(row.unprofiled for row in measured if row.unprofiled is not None):
        rows = [row.label for row in measured if row.unprofiled == reason]
        lines.append(f"accuracy only: {listing(rows)}: {reason}")
    return lines + [f"{OUT} refused: {row.label}: {row.refusal}" for row in measured if row.refusal is not None]


def _prefixes(record: ComparisonRecord) -> list[str]:
    """Return what stands before the models' names in the names of their bundles' folders, as in a recipe's ladder."""
    found: dict[str, None] = {}
    for row in record.rows:
        folder = (row.profile or "").partition(f".{row.form}.")[0]
        if row.backend != "torch" and folder != row.name and folder.endswith(f"-{row.name}"):
            found[folder.removesuffix(row.name)] = None
    return list(found)


def _baseline_lines(record: ComparisonRecord) -> list[Text]:
    """Say how each row compares with the baseline, one line a row; nothing without a baseline."""
    if record.baseline is None:
        return []
    lines = [f"compared with the baseline {record.baseline.against}:"]
    lines += [check.sentence for check in record.baseline.checks]
    return [Text(line) for line in [*lines, *record.baseline.notes]]
