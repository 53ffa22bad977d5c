"""How a scored corpus looks to people: labels, scores, and how far both are from the bundle's own reviews."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from slmbench.cli.views.fitting_table import FittingTable, number, text
from slmbench.common.formatting import UNKNOWN, counted, percent
from slmbench.records.scoring import ScoringRecord

#: Parts of the scores that are drawn, and the longest bar.
_DRAWN, _BAR = 10, 30
_WHAT = {"labels": "predicted labels", "scores": "scores", "words": "words of a text"}


def view_scoring(record: ScoringRecord) -> list[RenderableType]:
    """Return the summary of a scoring that is done."""
    total = record.summary
    if total is None:
        return []
    rejected = f", {total.rejected:,} rejected" if total.rejected else ""
    head = Text(
        f"{total.answered:,} of {total.rows:,} rows answered{rejected},"
        f" in {counted(record.shards, 'shard')}, by {record.bundle.name} {record.bundle.form}"
    )
    return [head, _labels(record), _scores(total.scores), *_drift(record)]


def _labels(record: ScoringRecord) -> FittingTable:
    table = FittingTable([text("label"), number("rows"), number("share"), number("share of the\ntest reviews")])
    found = record.summary.labels if record.summary else {}
    before = record.reference.labels
    all_now, all_before = sum(found.values()), sum(before.values())
    for label, count in found.items():
        table.add_row(label, f"{count:,}", _share(count, all_now), _share(before.get(label, 0), all_before))
    return table


def _scores(scores: list[int]) -> Table:
    """Draw the histogram of scores; parts at the ends that are empty are left out."""
    per = len(scores) // _DRAWN
    counts = [sum(scores[place * per : (place + 1) * per]) for place in range(_DRAWN)]
    most = max(max(counts), 1)
    first = next((place for place, count in enumerate(counts) if count), 0)
    table = Table(box=None, pad_edge=False)
    table.add_column("score", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for place in range(first, _DRAWN):
        bar = "█" * max(round(counts[place] / most * _BAR), 1 if counts[place] else 0)
        table.add_row(f"{place / _DRAWN:.1f}–{(place + 1) / _DRAWN:.1f}", f"{counts[place]:,}", bar)
    return table


def _drift(record: ScoringRecord) -> list[Text]:
    if not record.drift:
        return []
    lines = [
        f"{_WHAT.get(what, what)}: {shift.psi:.3f} ({shift.size}; {shift.by_chance:.3f} may be chance)"
        for what, shift in record.drift.items()
    ]
    style = "yellow" if any(shift.size in ("moderate", "large") for shift in record.drift.values()) else ""
    head = Text("drift from the bundle's own reviews (population stability index)")
    return [head, *(Text(f"  {line}", style=style) for line in lines)]


def _share(count: int, total: int) -> str:
    return percent(count / total) if total else UNKNOWN
