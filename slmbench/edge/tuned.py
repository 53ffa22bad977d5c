"""How a bundle runs fastest on this machine: what ``slmbench tune`` found, and where it is kept.

It lies in the user's cache folder, not in the bundle: it holds for one machine, and a bundle's manifest lists every
file. Its name is made of the machine's fingerprint and the bundle's seal, so that a bundle that was exported again,
or was copied to another machine, is not tuned. Few of its keys are read, without pydantic: an app reads them too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from slmbench.common.places import home
from slmbench.instruments.hardware import hardware_fingerprint

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "slmbench.tuning/1"


class Tuned(NamedTuple):
    """How a bundle runs fastest here; the names are those of :class:`~slmbench.edge.runtime.Classifier`."""

    form: str
    provider: str
    threads: int
    batch_tokens: int | None


def tuning_path(seal: str) -> Path:
    """Return where the tuning of a bundle lies on this machine, whether or not there is one."""
    return home() / "tuned" / f"{hardware_fingerprint()['fingerprint']}-{seal[:16]}.json"


def tuned_settings(seal: str) -> Tuned | None:
    """Return how a bundle runs fastest on this machine, or ``None`` when it was not tuned here.

    A tuning that is damaged, of another bundle, or of another version counts as none.

    Args:
        seal: The bundle's seal.
    """
    try:
        document = json.loads(tuning_path(seal).read_text(encoding="utf-8"))
        if (document["schema"], document["seal"]) != (SCHEMA, seal):
            return None
        chosen, budget = document["chosen"], document["batch_tokens"]
        budget = None if budget is None else int(budget)
        return Tuned(chosen["form"], chosen["provider"], int(chosen["threads"]), budget)
    except (OSError, ValueError, KeyError, TypeError):
        return None
