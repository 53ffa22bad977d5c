"""A process on a machine of a cluster that runs one rung of a ladder there, or measures what all rungs have made.

A request is ``{"folder", "home", "recipe", "command", "runs", "bundles"}`` with one of ``{"rung"}``, ``{"measure"}``
or neither, when only the machine is asked for. Every answer has ``{"machine", "said"}``, or ``{"error"}`` with a
sentence for people.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import PROFILES
from slmbench.common.progress import Silent
from slmbench.compare import Constraints, DecisionRule
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.instruments.pipe import RequestPipe
from slmbench.recipes.measuring import Deciding, measure_cells
from slmbench.recipes.recipe import Recipe
from slmbench.recipes.rung_runs import RungRuns, corpus_of


class _Said(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        self.texts.append(text)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks for, and return the answer; see the top of this file."""
    said = _Said()
    try:
        if request["home"] is not None:
            os.environ["SLMBENCH_HOME"] = request["home"]
        _enter(request["folder"])
        machine = {"fingerprint": hardware_fingerprint()["fingerprint"], "niceness": _niceness()}
        return {"machine": machine, **_done(request, said), "said": said.texts}
    except (SlmbenchError, OSError) as error:
        return {"error": str(error), "said": said.texts}


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError:
        raise SlmbenchError(
            f"a machine of the cluster has no folder {folder}: its machines must share the working folder"
        ) from None


def _niceness() -> int:
    return os.nice(0) if hasattr(os, "nice") else 0


def _done(request: dict[str, Any], said: _Said) -> dict[str, Any]:
    recipe, command = Recipe.model_validate(request["recipe"]), request["command"]
    name, measure = request.get("rung"), request.get("measure")
    ladder = RungRuns(recipe, corpus_of(recipe, said) if name else None, command, said)
    ladder.runs |= {rung: Path(folder) for rung, folder in request["runs"].items()}
    ladder.bundles |= {rung: Path(folder) for rung, folder in request["bundles"].items()}
    found: dict[str, Any] = {}
    if name:
        ladder.try_rung(next(rung for rung in recipe.rungs if rung.name == name))
        found = {
            "run": str(ladder.runs[name]) if name in ladder.runs else None,
            "bundle": str(ladder.bundles[name]) if name in ladder.bundles else None,
            "unprofiled": [row.model_dump(mode="json") for row in ladder.unprofiled],
        }
    elif measure is not None:
        rule, limits = DecisionRule(**measure["rule"]), Constraints(**measure["limits"])
        measured = measure_cells(recipe, ladder, Deciding(limits, rule), command, said)
        found = {"profiles": [str(PROFILES / f"{profile.name}.json") for profile in measured.profiles]}
    return {**found, "failures": [row.model_dump(mode="json") for row in ladder.failures]}


def main() -> None:
    """Answer the parent until it closes the pipe."""
    requests = RequestPipe()
    for request in requests:
        requests.answer(answer(request))


if __name__ == "__main__":
    main()
