"""What ``slmbench decide`` tries, from the quickest to the slowest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slmbench.recipes.rungs import MethodRung

#: The first answer: both train in seconds and run in numpy.
FIRST: tuple[dict[str, Any], ...] = (
    {"name": "tfidf", "method": "tfidf"},
    {"name": "static", "method": "static", "model": "minilm-l6"},
)
#: The transformers of the quickstart, smallest first.
LARGER: tuple[dict[str, Any], ...] = (
    {"name": "bert-tiny", "model": "bert-tiny"},
    {"name": "minilm-l6-3layers", "model": "minilm-l6", "layers": 3},
    {"name": "minilm-l6", "model": "minilm-l6"},
)


def first_rungs() -> list[MethodRung]:
    """Return the rungs of the first answer."""
    return [MethodRung.model_validate(keys) for keys in FIRST]


def larger_rungs(models: Sequence[str] = ()) -> list[MethodRung]:
    """Return the transformers to try, smallest first.

    Args:
        models: Starter items, folders or hub names that are tried instead of the usual ones.
    """
    keys = [{"name": Path(model).name, "model": model} for model in models] or LARGER
    return [MethodRung.model_validate(one) for one in keys]


def taught_rung(teacher: str) -> MethodRung:
    """Return TF-IDF taught by an earlier rung on the texts that have no label."""
    return MethodRung.model_validate(
        {"name": "tfidf-taught", "method": "tfidf", "teacher": teacher, "unlabelled": "all"}
    )
