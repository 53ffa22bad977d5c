"""The model card of a bundle: what it is, what it was trained on, how good each form is, whose licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.files import write_atomically
from slmbench.common.templates import render_markdown
from slmbench.methods.runs.card import how_made, hub_licence, learned_from

if TYPE_CHECKING:
    from pathlib import Path

    from slmbench.records import BundleRecord, RunRecord


def write_card(bundle: BundleRecord, run: RunRecord, path: Path) -> None:
    """Write a bundle's README.md with the hub's metadata block.

    Args:
        bundle: The bundle's record.
        run: The record of the run it was made from.
        path: The file to write.
    """
    text = render_markdown(
        "slmbench.export",
        "card.md",
        bundle=bundle,
        run=run,
        test=run.test,
        made=how_made(run),
        learned=learned_from(run),
        hub_licence=hub_licence(bundle.base_license),
    )
    write_atomically(path, text)
