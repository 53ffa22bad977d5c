"""The model card of a cascade: what it is, how good all three are, what the thresholds give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.cascade.choosing import notable_rows
from slmbench.compare.formatting import percent, percent_interval, three_digits
from slmbench.files import write_atomically

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
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("slmbench.cascade"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters |= {"percent": percent, "interval": percent_interval, "ms": three_digits}
    form = next(iter(bundle.forms.values()))
    text = environment.get_template("card.md").render(
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
