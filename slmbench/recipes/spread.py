"""A ladder on the machines of an engine: rungs side by side, then every kind of machine measures all cells.

The machines share the working folder, with the same path. There is one process of a ladder on a machine at a time,
which has all of its cores, so that nothing that is timed has company: forms at their export, members of a cascade,
profiles.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.compare import Constraints, DecisionRule
from slmbench.instruments.children import LostError
from slmbench.instruments.engines import Child, Cluster, Machine
from slmbench.recipes.recipe import Recipe
from slmbench.recipes.rung_runs import RungRuns
from slmbench.recipes.rungs import Rung
from slmbench.records import Row

#: Seconds that a rung or the profiles of a machine may take.
_LIMIT_S = 30 * 86400.0
#: Seconds within which a cluster notices that a machine is gone, after that its processes are.
_GONE_S = 30.0

T = TypeVar("T")


class SpreadLadder:
    """A ladder on several machines.

    Args:
        cluster: The machines: those at the beginning run rungs, those that are there afterwards measure.
        recipe: The recipe.
        command: The command line, for the records.
        progress: Where progress is reported.
    """

    def __init__(self, cluster: Cluster, recipe: Recipe, command: Sequence[str], progress: Progress) -> None:
        self._cluster = cluster
        self._recipe = recipe
        self._progress = progress
        self._ladder = RungRuns(recipe, None, command, progress)
        self._request = {
            "folder": str(Path.cwd()),
            "home": os.environ.get("SLMBENCH_HOME"),
            "recipe": recipe.document(),
            "command": list(command),
        }
        self._changed = threading.Condition()
        self._over = False
        self._at_work: set[Child] = set()
        self._waiting: list[Rung] = list(recipe.rungs)
        self._done: dict[str, dict[str, Any]] = {}

    def run_rungs(self) -> RungRuns:
        """Run and export every rung, each after those that it builds on, one at a time on a machine.

        Returns:
            The rungs. Those that failed have a row with the reason; the work of a lost machine is done by another.

        Raises:
            SlmbenchError: No machine is left, or a disk is full.
        """
        machines = self._cluster.machines()
        names = ", ".join(machine.name for machine in machines)
        self._progress.say(f"{len(self._recipe.rungs)} rungs on {len(machines)} machines: {names or 'none'}")
        self._side_by_side(self._run_on, machines)
        ladder = self._ladder
        for rung in self._recipe.rungs:
            if rung.name not in self._done:
                raise SlmbenchError(
                    f"no machine of the cluster is left for the rung {rung.name}: run the same command again, which"
                    " goes on with what is missing"
                )
            answer = self._done[rung.name]
            for kind, folders in (("run", ladder.runs), ("bundle", ladder.bundles)):
                if answer.get(kind):
                    folders[rung.name] = Path(answer[kind])
            ladder.unprofiled += [Row.model_validate(row) for row in answer.get("unprofiled", [])]
            ladder.failures += [Row.model_validate(row) for row in answer["failures"]]
        return ladder

    def measure(self, limits: Constraints, rule: DecisionRule) -> list[Path]:
        """Measure all cells on one machine of each kind, side by side.

        Args:
            limits: For the recommendation.
            rule: Margins, and the metric that decides.

        Returns:
            The profiles of all machines, each with its machine's fingerprint.

        Raises:
            SlmbenchError: No machine is left, or a disk is full.
        """
        kinds: dict[str, list[Machine]] = {}
        machines = self._cluster.machines()
        for machine, answer in zip(machines, self._side_by_side(self._about, machines), strict=True):
            if answer is not None:
                kinds.setdefault(answer["machine"]["fingerprint"], []).append(machine)
                if niceness := answer["machine"]["niceness"]:
                    self._progress.say(
                        f"{machine.name}: processes have niceness {niceness}, so that others come first: start its"
                        " engine with RAY_worker_niceness=0"
                    )
        task = {"measure": {"limits": limits.as_dict(), "rule": rule.as_dict()}}
        answers = self._side_by_side(lambda alike: self._first(alike, task), list(kinds.values()))
        if not any(answers):
            raise SlmbenchError("no machine of the cluster is left to measure on: run the same command again")
        found = [answer for answer in answers if answer is not None]
        for answer in found:
            self._ladder.failures += [Row.model_validate(row) for row in answer["failures"]]
        return [Path(file) for answer in found for file in answer["profiles"]]

    def _about(self, machine: Machine) -> dict[str, Any] | None:
        try:
            return self._ask(machine, {})
        except LostError as error:
            self._progress.say(f"{machine.name} is not measured: {error}")
            return None

    def _first(self, alike: Sequence[Machine], task: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer of the first of like machines that is not lost meanwhile."""
        for machine in alike:
            self._progress.say(f"measuring on {machine.name}")
            try:
                return self._ask(machine, task)
            except LostError as error:
                self._progress.say(f"{machine.name} is not measured: {error}")
        return None

    def _run_on(self, machine: Machine) -> None:
        """Run one rung after another on a machine, until there is none left or the machine is lost."""
        while (rung := self._next()) is not None:
            self._progress.say(f"{rung.name} on {machine.name}")
            try:
                answer = self._ask(machine, {"rung": rung.name})
            except LostError as error:
                if self._over:
                    return
                if self._is_gone(machine):
                    self._progress.say(f"{machine.name} was lost, another machine runs {rung.name}")
                    with self._turn():
                        self._waiting.insert(0, rung)
                    return
                # What killed its process on a machine that is still there would do so again.
                self._progress.say(f"{rung.name} failed: {error}")
                row = Row(name=rung.name, model=rung.model, method=rung.method, failure=str(error))
                answer = {"failures": [row.model_dump(mode="json")]}
            with self._turn():
                self._done[rung.name] = answer

    def _is_gone(self, machine: Machine) -> bool:
        """Say whether a machine is lost; a cluster learns of it later than of the processes that were there."""
        until = time.monotonic() + _GONE_S
        while machine in self._cluster.machines():
            if self._over or time.monotonic() > until:
                return False
            time.sleep(_GONE_S / 60)
        return True

    def _next(self) -> Rung | None:
        """Return the next rung whose earlier ones are done, waiting for them; ``None`` when all are."""
        with self._changed:
            while not self._over and len(self._done) < len(self._recipe.rungs):
                ready = next((rung for rung in self._waiting if self._done.keys() >= set(rung.referred)), None)
                if ready is not None:
                    self._waiting.remove(ready)
                    return ready
                self._changed.wait()
            return None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()

    def _ask(self, machine: Machine, task: dict[str, Any]) -> dict[str, Any]:
        """Have one task done by a process on a machine, and repeat what it says."""
        what = f"the process on {machine.name}"
        child = self._cluster.start(
            ("-m", "slmbench.recipes.worker"), what=what, on=machine, wanted=lambda: not self._over
        )
        with self._turn():
            if child is None or self._over:
                if child is not None:
                    child.close()
                raise LostError(f"{what} is not wanted any more")
            self._at_work.add(child)
            folders = {
                kind: {name: done[key] for name, done in self._done.items() if done.get(key)}
                for kind, key in (("runs", "run"), ("bundles", "bundle"))
            }
        try:
            answer = child.ask({**self._request, **folders, **task}, _LIMIT_S)
        finally:
            self._at_work.discard(child)
            child.close()
        for text in answer["said"]:
            self._progress.say(f"{machine.name}: {text}")
        if "error" in answer:
            raise SlmbenchError(answer["error"])
        return answer

    def _side_by_side(self, work: Callable[[Any], T], each: Sequence[Any]) -> list[T]:
        """Do something with each of several things in threads of their own; the first error ends all of them."""
        with ThreadPoolExecutor(max(1, len(each)), thread_name_prefix="machines") as pool:
            turns = [pool.submit(work, one) for one in each]
            try:
                wait(turns, return_when=FIRST_EXCEPTION)
            finally:
                if not all(turn.done() and turn.exception() is None for turn in turns):
                    with self._turn():
                        self._over = True
                        left = list(self._at_work)
                    for child in left:
                        child.close()
        for turn in turns:
            if (error := turn.exception()) is not None and not isinstance(error, LostError):
                raise error
        return [turn.result() for turn in turns]
