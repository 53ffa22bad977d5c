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
        made=_how_made(run),
        learned=_learned_from(run),
        hub_licence=_HUB_LICENCES.get(bundle.base_license or "", "other"),
    )
    write_atomically(path, text)


def _how_made(run: RunRecord) -> str:
    """Say in one phrase how the classifier came about."""
    phrases = {"prompt": "asked by a prompt, not fine-tuned", "pretrained": "taken as it was published"}
    if run.method in phrases:
        return phrases[run.method]
    teacher = run.details.get("teacher")
    return f"fine-tuned by `{run.method}`" + (f", taught by `{teacher['model']}`" if teacher else "")


def _learned_from(run: RunRecord) -> str:
    """Say in one phrase which reviews it learned from."""
    corpus = run.corpus
    if run.method == "pretrained":
        return f"Not trained on `{corpus.name}` here"
    if run.shots is not None:
        return f"Given {run.shots} examples per label of `{corpus.name}`"
    selecting = "also learned from" if run.method == "tfidf" else "chose the epoch"
    more = f" ({corpus.validation_reviews} more {selecting})" if corpus.validation_reviews else ""
    unlabelled = f" and {corpus.unlabelled_reviews} without their labels" if corpus.unlabelled_reviews else ""
    return f"Trained on {corpus.train_reviews} reviews of `{corpus.name}`{more}{unlabelled}"
