"""The model card of a cascade: what it is, how good all three are, what the thresholds give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.cascade.choosing import notable_rows
from slmbench.common.files import write_atomically
from slmbench.common.formatting import percent, percent_interval, three_digits
from slmbench.common.templates import render_markdown

if TYPE_CHECKING:
    from pathlib import Path

    from slmbench.records import BundleRecord
    from slmbench.records.cascade import CascadeFacts


def write_card(bundle: BundleRecord, facts: CascadeFacts, plot: str | None, path: Path) -> None:
    """Write a cascade's README.md.

    Args:
        bundle: Its record.
        facts: The record's part about the cascade.
        plot: Name of the plot beside it, where there is one.
        path: The file to write.
    """
    form = next(iter(bundle.forms.values()))
    text = render_markdown(
        "slmbench.cascade",
        "card.md",
        {"percent": percent, "interval": percent_interval, "ms": three_digits},
        bundle=bundle,
        facts=facts,
        form=form,
        sweep=notable_rows(facts),
        plot=plot,
        systems=[
            (f"{facts.small.name} {facts.small.form} alone", facts.small.evaluation, facts.timing.mean_ms["small"]),
            (f"{facts.large.name} {facts.large.form} alone", facts.large.evaluation, facts.timing.mean_ms["large"]),
            ("the cascade", form.evaluation, facts.timing.mean_ms["cascade"]),
        ],
    )
    write_atomically(path, text)
