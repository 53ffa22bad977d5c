"""The fastest settings of a bundle on this machine: where ``slmbench tune`` keeps them, how an app reads them.

They are kept in the user's cache folder, not in the bundle: they hold for one machine, and a bundle's manifest lists
every file. The file's name is made of the machine's fingerprint and the bundle's seal, so a bundle that was exported
again or copied to another machine is not tuned. It is read without pydantic, because apps read it too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slmbench.common.places import home
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_json, read_seal
from slmbench.instruments.hardware import hardware_fingerprint

SCHEMA = "slmbench.tuning/1"


def tuning_path(seal: str) -> Path:
    """Return where the tuning of a bundle is kept on this machine, whether or not there is one.

    Args:
        seal: The bundle's seal.
    """
    return home() / "tuned" / f"{hardware_fingerprint()['fingerprint']}-{seal[:16]}.json"


def tuned_settings(bundle: str | Path) -> dict[str, Any]:
    """Return the settings with which a bundle is fastest on this machine.

    A tuning that is damaged, of another bundle or of another version counts as none.

    Args:
        bundle: The bundle's folder.

    Returns:
        Keyword arguments of :class:`slmbench.edge.Classifier`: ``form``, ``provider``, ``batch_tokens``, and
        ``threads`` and ``workers`` where they are not fastest as they are by default; empty when the bundle was not
        tuned on this machine, or is fastest as it is.
    """
    seal = read_seal(Path(bundle))
    if seal is None:
        return {}
    try:
        document = read_json(tuning_path(seal), MAX_RECORD_BYTES)
        if (document["schema"], document["seal"]) != (SCHEMA, seal):
            return {}
        chosen, budget = document["chosen"], document["batch_tokens"]
        if chosen["threads"] is None:
            return {}
        threads, workers = int(chosen["threads"]), int(document.get("workers", 1))
        found = {
            "form": chosen["form"],
            "provider": chosen["provider"],
            "batch_tokens": None if budget is None else int(budget),
        }
        if workers == 1:
            return {**found, "threads": threads}
        each = int(document["worker_threads"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    # All cores for one inference, and one core each for many, is what the classifier does by itself.
    is_default = chosen["provider"] == "cpu" and (each, workers) == (1, threads)
    return found if is_default else {**found, "threads": each, "workers": workers}
