"""What ``slmbench decide`` shows at its end: the rungs, the decision, what to look at, and the code to use it."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from slmbench.cli.views.fitting_table import FittingTable, number, text
from slmbench.common.formatting import UNKNOWN, duration, percent, percent_interval
from slmbench.records import DecisionRecord
from slmbench.records.decision import TriedRung

_OUTCOMES = {
    "compared": "",
    "curve": "learning curve",
    "dropped": "dropped",
    "no_time": "no time",
    "failed": "failed",
}


def deciding_view(record: DecisionRecord) -> list[RenderableType]:
    """Show a decision.

    Args:
        record: From :func:`slmbench.deciding.decide`.
    """
    table = FittingTable([text("rung"), number("reviews"), number("accuracy"), number("took"), text("")])
    for rung in record.rungs:
        table.add_row(*_cells(rung), style=_style(rung, record))
    parts: list[RenderableType] = [table, Text(record.sentence, style="bold")]
    parts += [Text(sentence) for sentence in record.findings]
    if record.first_answer_seconds is not None:
        parts.append(
            Text(
                f"first answer after {duration(record.first_answer_seconds)}, in all {duration(record.seconds)}",
                style="dim",
            )
        )
    parts.append(
        Text(f"why each other row lost, plots and caveats: {Path(record.report) / 'report.html'}", style="dim")
    )
    if record.code:
        parts.append(Text(f"\n{record.code}\n", style="bold green"))
    return parts


def _cells(rung: TriedRung) -> tuple[str, ...]:
    accuracy = UNKNOWN
    if rung.accuracy is not None:
        interval = f" [{percent_interval(rung.accuracy_ci95)}]" if rung.accuracy_ci95 else ""
        accuracy = percent(rung.accuracy) + interval
    said = _OUTCOMES[rung.outcome] + (f": {rung.why}" if rung.why else "")
    reviews = f"{rung.train_reviews:,}" if rung.train_reviews else UNKNOWN
    return rung.name, reviews, accuracy, duration(rung.seconds) if rung.seconds is not None else UNKNOWN, said


def _style(rung: TriedRung, record: DecisionRecord) -> str:
    if rung.outcome == "failed":
        return "red"
    if rung.outcome != "compared":
        return "dim"
    return "bold green" if record.recommended and rung.name == record.recommended.name else ""
