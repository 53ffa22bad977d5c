"""The model card of a run: method, training data, test metrics, licence."""

from __future__ import annotations

from pathlib import Path

from slmbench.common.files import write_atomically
from slmbench.common.formatting import percent
from slmbench.common.templates import render_markdown
from slmbench.methods.known_methods import METHODS, picks_epoch
from slmbench.records import RunRecord

#: Licence identifiers that the hub's metadata block knows, by the names used in records.
_HUB_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit"}


def write_card(run: RunRecord, path: Path) -> None:
    """Write a run's README.md with the hub's metadata block.

    Args:
        run: The run's record.
        path: The file to write.
    """
    text = render_markdown(
        "slmbench.methods.runs",
        "card.md",
        {"percent": percent},
        run=run,
        made=how_made(run),
        learned=learned_from(run),
        hub_licence=hub_licence(run.base_license),
    )
    write_atomically(path, text)


def hub_licence(name: str | None) -> str:
    """Return the hub's identifier of a licence."""
    return _HUB_LICENCES.get(name or "", "other")


def how_made(run: RunRecord) -> str:
    """Return how the classifier was made, as a phrase."""
    # The package that brought the method may be gone.
    made = METHODS[run.method].card if run.method in METHODS else f"made by `{run.method}`"
    teacher = run.details.get("teacher")
    return made + (f", taught by `{teacher['model']}`" if teacher else "")


def learned_from(run: RunRecord) -> str:
    """Return which reviews it learned from, as a phrase."""
    corpus = run.corpus
    if run.shots is not None:
        return f"Given {run.shots} examples per label of `{corpus.name}`"
    if not run.trainable_parameters:
        return f"Not trained on `{corpus.name}`"
    use = "chose the epoch" if picks_epoch(run.method) else "also learned from"
    more = f" ({corpus.validation_reviews} more {use})" if corpus.validation_reviews else ""
    unlabelled = f" and {corpus.unlabelled_reviews} without their labels" if corpus.unlabelled_reviews else ""
    return f"Trained on {corpus.train_reviews} reviews of `{corpus.name}`{more}{unlabelled}"
