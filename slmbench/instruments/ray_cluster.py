"""Ray as an engine: an actor on a machine of the cluster holds the child process, and passes requests on to it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.instruments.children import ChildProcess, LostError
from slmbench.instruments.engines import Machine
from slmbench.instruments.hardware import software_versions

#: What has to be the same everywhere for the same answers.
_SAME = ("slmbench", "numpy", "onnxruntime", "tokenizers")
#: Seconds between two looks whether a process that waits for room is still wanted.
_LOOK_EVERY_S = 0.5
#: Seconds that Ray may take beyond those that a process has for its answer.
_PATIENCE_S = 60.0


class _Host:
    """The actor: a child process on its machine."""

    def __init__(self, arguments: Sequence[str], what: str, threads: int | None) -> None:
        self._child = ChildProcess(arguments, what=what, threads=threads)

    def versions(self) -> dict[str, str | None]:
        return _versions()

    def ask(self, request: dict[str, Any], limit_s: float) -> tuple[Any, str | None]:
        """Return the answer and, where there is none, why."""
        try:
            return self._child.ask(request, limit_s), None
        except SlmbenchError as error:
            return None, str(error)


class _RayChild:
    """A child process somewhere in the cluster."""

    def __init__(self, actor: Any, what: str) -> None:
        self._actor = actor
        self._what = what

    def ask(self, request: dict[str, Any], limit_s: float) -> Any:
        try:
            answer, why = ray.get(self._actor.ask.remote(request, limit_s), timeout=limit_s + _PATIENCE_S)
        except RayError as error:
            raise _lost(self._what, error) from None
        if why is not None:
            raise LostError(why)
        return answer

    def close(self) -> None:
        with suppress(RayError):  # of a machine that is gone there is nothing to end
            ray.kill(self._actor)


class RayCluster:
    """A cluster that this process is connected to."""

    def machines(self) -> list[Machine]:
        """Return the machines; several Ray nodes with one address are one machine, of which the largest counts."""
        found: dict[str, Machine] = {}
        for node in ray.nodes():
            has, name = node["Resources"], node["NodeManagerAddress"]
            cores = int(has.get("CPU", 0))
            if node["Alive"] and cores and (name not in found or found[name].cores < cores):
                found[name] = Machine(name, node["NodeID"], cores, has.get("GPU", 0))
        return [found[name] for name in sorted(found)]

    def start(
        self,
        arguments: Sequence[str],
        *,
        what: str,
        threads: int | None = None,
        on: Machine | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> _RayChild | None:
        """Start a Python process; see :class:`slmbench.instruments.engines.Cluster`."""
        options: dict[str, Any] = {"num_cpus": threads or 1, "scheduling_strategy": "SPREAD"}
        if on is not None:
            here = NodeAffinitySchedulingStrategy(on.id, soft=False)
            options = {"num_cpus": on.cores, "num_gpus": on.gpus, "scheduling_strategy": here}
        actor = ray.remote(_Host).options(max_restarts=0, **options).remote(list(arguments), what, threads)
        child = _RayChild(actor, what)
        try:
            ready = actor.versions.remote()
            while not ray.wait([ready], timeout=_LOOK_EVERY_S)[0]:
                if not wanted():
                    child.close()
                    return None
            there, here = ray.get(ready), _versions()
        except BaseException as error:
            child.close()
            if isinstance(error, RayError):
                raise _lost(what, error) from None
            raise
        if there != here:
            child.close()
            differs = next(name for name in _SAME if there[name] != here[name])
            raise SlmbenchError(
                f"a machine of the cluster has {differs} {there[differs] or 'not installed'}, and this one"
                f" {here[differs] or 'none'}: install the same versions on all of them"
            )
        return child


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Connect to the cluster of ``RAY_ADDRESS`` or of this machine; without one, start Ray here until the block ends.

    Raises:
        SlmbenchError: The cluster cannot be reached.
    """
    mine = not ray.is_initialized()
    if mine:
        # Ray takes the signal over, which the command line has its own way with.
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            # Ray prints what it has lost on stdout, which is for the record; the command says it by itself.
            ray._private.worker._worker_logs_enabled = False
        except Exception as error:  # noqa: BLE001 - a node that begins too slowly has no kind of its own
            raise SlmbenchError(f"Ray cannot be reached: {first_line(error)}; start it with `ray start`") from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)
    try:
        yield RayCluster()
    finally:
        if mine:
            ray.shutdown()


def _lost(what: str, error: Exception) -> SlmbenchError:
    """Return the error of a process that Ray has lost, or could not start."""
    if "No module named" in str(error):
        return SlmbenchError(
            "a machine of the cluster cannot import slmbench: install the same version there, with the same extras"
        )
    return LostError(f"{what} was lost ({first_line(error)})")


def _versions() -> dict[str, str | None]:
    found = software_versions()
    return {name: found.get(name) for name in _SAME}
