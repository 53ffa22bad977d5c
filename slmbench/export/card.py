"""The model card of a bundle: what it is, what it was trained on, how good each form is, whose licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from slmbench.records import BundleRecord, RunRecord

#: Licence identifiers that the hub's metadata block knows, by the names used in records.
_HUB_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit"}


def write_card(bundle: BundleRecord, run: RunRecord, path: Path) -> None:
    """Write a bundle's README.md with the hub's metadata block.

    Args:
        bundle: The bundle's record.
        run: The record of the run it was made from.
        path: The file to write.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("slmbench.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    text = environment.get_template("card.md").render(
        bundle=bundle,
        run=run,
        test=run.test,
        hub_licence=_HUB_LICENCES.get(bundle.base_license or "", "other"),
    )
    write_atomically(path, text)
