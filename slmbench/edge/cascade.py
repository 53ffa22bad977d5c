"""Bundles of two models: the small one answers, and where it is not sure enough the large one answers instead.

The rule is study 003's: of the small model's softmax the largest probability decides.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge.runtime import BundleFiles, load_backend, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.edge.runtime import Backend

#: The file that says which members there are, and from which probability on the small one is believed.
FILE = "cascade.json"


class _Item(NamedTuple):
    """A text and the small model's input item; most texts never need the large model's."""

    text: str
    small: object


class CascadeBackend:
    """Two bundles below one folder and a threshold.

    Args:
        description: The ``cascade.json``, its members' folders beside it.
        labels: Labels of the cascade in their order; the members may have another order.
        threads: Threads inside one inference of either member.
        provider: What runs a member that is not TF-IDF; see :class:`~slmbench.edge.runtime.Classifier`.

    Raises:
        UsageError: Nothing in it can use the provider.
        SlmbenchError: The description or a member is missing or damaged.
    """

    def __init__(self, description: Path, labels: Sequence[str], threads: int | None, provider: str = "cpu") -> None:
        try:
            settings = json.loads(description.read_text(encoding="utf-8"))
            self._threshold = float(settings["threshold"])
            named = [(str(settings[size]["folder"]), str(settings[size]["form"])) for size in ("small", "large")]
        except (OSError, ValueError, KeyError, TypeError):
            raise SlmbenchError(f"{description} is missing or damaged: make the cascade again") from None
        opened = [(BundleFiles.open(description.parent / folder), form) for folder, form in named]
        if provider != "cpu" and all(files.runtime == "tfidf" for files, _ in opened):
            raise UsageError(
                f"{description.parent} is made of TF-IDF bundles, which run on the CPU only: leave out the provider"
            )
        members = [_load(files, form, labels, threads, provider) for files, form in opened]
        (self._small, self._small_columns), (self._large, self._large_columns) = members

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Tokenise for the small model."""
        return [_Item(text, item) for text, item in zip(texts, self._small.encode(texts), strict=True)]

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of the small model's tokens of each item."""
        return self._small.lengths([item.small for item in items])  # type: ignore[attr-defined]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch; each row holds the logits of the member that answered."""
        small = self._small.logits([item.small for item in items])  # type: ignore[attr-defined]
        answers = small[:, self._small_columns]
        unsure = np.flatnonzero(confidence(answers) < self._threshold)
        if len(unsure):
            texts = [items[row].text for row in unsure.tolist()]  # type: ignore[attr-defined]
            answers[unsure] = self._large.logits(self._large.encode(texts))[:, self._large_columns]
        return answers


def confidence(logits: np.ndarray) -> np.ndarray:
    """Return the largest probability of each row, shape (rows,), in double precision as thresholds are."""
    return softmax(logits).max(-1).astype(np.float64)


def label_columns(own: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the columns of a model's logits in the order of other labels.

    Raises:
        ValueError: The labels are not the same.
    """
    if sorted(own) != sorted(wanted):
        raise ValueError(f"{', '.join(own)} and {', '.join(wanted)} are different labels")
    return [list(own).index(label) for label in wanted]


def _load(
    files: BundleFiles, form: str, labels: Sequence[str], threads: int | None, provider: str
) -> tuple[Backend, list[int]]:
    try:
        columns = label_columns(files.labels, labels)
    except ValueError:
        raise SlmbenchError(f"{files.folder} has other labels than the cascade: make the cascade again") from None
    provider = "cpu" if files.runtime == "tfidf" else provider
    return load_backend(files, files.choose_form(form), threads, provider), columns
