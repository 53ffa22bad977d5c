"""Training data named in a model's card: a model trained on labelled reviews is not zero-shot on reviews."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: Corpora of labelled reviews, as dataset names and prose write them.
_REVIEW_CORPORA = {
    "IMDb": r"imdb",
    "Amazon reviews": r"amazon[\s_-]*(?:us|multi)?[\s_-]*(?:polarity|reviews?|counterfactual)",
    "Yelp reviews": r"yelp",
    "Rotten Tomatoes": r"rotten[\s_-]*tomatoes",
    "SST": r"(?<![a-z0-9])sst[\s_-]?[25]?(?![a-z0-9])|stanford sentiment treebank",
    "app reviews": r"(?<![a-z0-9])app[\s_-]*reviews",
}
_HEADING = re.compile(r"^#{1,6}\s", re.MULTILINE)
_TRAINING = re.compile(r"\b(?:pre-?)?train(?:ed|ing|s)?\b|\bfine-?tun", re.IGNORECASE)
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class TrainingData:
    """What the card states about the training data.

    Attributes:
        zero_shot: ``True`` when the card lists its data sets and no review corpus is among them, ``False`` when it
            names one as training data, ``None`` when it is unclear.
        note: The same as a sentence.
    """

    zero_shot: bool | None
    note: str


def training_data(folder: Path) -> TrainingData:
    """Read from a model's card (``README.md``) whether it was trained on labelled reviews.

    The ``datasets`` of the metadata count as training data, and so do corpora that a section names after its first
    mention of training; a corpus named elsewhere may have been used for testing only.

    Args:
        folder: The model's folder.
    """
    try:
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return TrainingData(
            None, "there is no model card: whether the model saw labelled reviews in training is unknown"
        )
    listed, text = _listed(card), _FRONT_MATTER.sub("", card)
    if reviews := [name for name in listed if _corpora(name)]:
        return TrainingData(False, f"not zero-shot here: the model card lists {', '.join(reviews)} as training data")
    if reviews := _corpora("\n".join(map(_from_training_on, _HEADING.split(text)))):
        where = "where it describes training"
        return TrainingData(False, f"not zero-shot here: the model card names {', '.join(reviews)} {where}")
    if reviews := _corpora(text):
        return TrainingData(
            None, f"the model card names {', '.join(reviews)} without saying whether the model was trained on them"
        )
    if not listed:
        return TrainingData(None, "the model card does not list what the model was trained on")
    return TrainingData(True, f"according to its model card trained on {', '.join(listed)}, not on reviews")


def _listed(card: str) -> list[str]:
    """Return the data sets in a card's metadata."""
    import yaml

    front = _FRONT_MATTER.search(card)
    try:
        metadata = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return []
    datasets = metadata.get("datasets") if isinstance(metadata, dict) else None
    return [str(name) for name in ([datasets] if isinstance(datasets, str) else datasets or [])]


def _from_training_on(section: str) -> str:
    """Return the part of a section from its first mention of training on."""
    found = _TRAINING.search(section)
    return section[found.start() :] if found else ""


def _corpora(text: str) -> list[str]:
    """Return the review corpora that a text names."""
    return [name for name, pattern in _REVIEW_CORPORA.items() if re.search(pattern, text, re.IGNORECASE)]
