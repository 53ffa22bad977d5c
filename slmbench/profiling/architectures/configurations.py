"""The published configurations that come with slmbench, one TOML file per family."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from slmbench.common.errors import UsageError
from slmbench.common.suggestions import did_you_mean

#: A label from a classification head, or the logits of one generated token, which is how a label is scored.
Task = Literal["classification", "generation"]


@dataclass(frozen=True)
class PublishedModel:
    """A model as its publisher describes it, without its weights.

    Attributes:
        name: Its name on the model hub.
        model_type: Its family, as in ``config.json``.
        tasks: Tasks at which it can be profiled; the first is the default.
        config: The sizes in ``config.json``; all others are the defaults of the family.
        source: Where they are published.
    """

    name: str
    model_type: str
    tasks: tuple[Task, ...]
    config: Mapping[str, Any]
    source: str


def find_architecture(name: str) -> PublishedModel:
    """Return a model by its name on the hub, with or without the owner, or by its name in slmbench.

    Raises:
        UsageError: No such configuration comes with slmbench.
    """
    found = _by_name().get(name.lower())
    if found is None:
        hint = did_you_mean(name, _by_name())
        raise UsageError(
            f"no configuration of '{name}' comes with slmbench{hint} (there are: {', '.join(architecture_names())})"
        )
    return found


def architecture_names() -> list[str]:
    """Return the hub names of all models whose configuration comes with slmbench."""
    return list(dict.fromkeys(model.name for model in _by_name().values()))


@cache
def _by_name() -> dict[str, PublishedModel]:
    """Return the models by all their names in lower case."""
    models = {}
    for file in sorted(resources.files(__package__).iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".toml"):
            continue
        family = tomllib.loads(file.read_text(encoding="utf-8"))
        for name, entry in family["models"].items():
            model = PublishedModel(
                name, family["model_type"], tuple(family["tasks"]), entry["config"], entry["source"]
            )
            names = [name, *entry.get("also", [])]
            models.update({known.lower(): model for full in names for known in (full, full.rpartition("/")[2])})
    return models
