"""``report.md``: the decision, the table, the plots and every caveat, for a repository's page or a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from slmbench.common.templates import render_markdown
from slmbench.records import ComparisonRecord
from slmbench.report.explanations import Pair
from slmbench.report.facts import number_filters, report_facts


def render_report(record: ComparisonRecord, pairs: Sequence[Pair], no_plots: str | None) -> str:
    """Render ``report.md``.

    Args:
        record: The comparison.
        pairs: Each measured row with its profile.
        no_plots: Why there are no plots, or ``None``.

    Returns:
        Markdown.
    """
    filters = {"cell": lambda text: " ".join(str(text).split()).replace("|", "\\|"), **number_filters()}
    return render_markdown(
        "slmbench.report", "report.md.j2", filters, no_plots=no_plots, **report_facts(record, pairs)
    )
