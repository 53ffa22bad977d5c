"""Engines: what starts child processes on several machines, each declared once; installed packages add more.

An engine is all that long work knows of a cluster: it names the machines, and starts on one of them, or wherever
there is room, the child process that the same work starts on this machine without an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from slmbench.common.errors import require_extra
from slmbench.common.registry import Registry


class Machine(NamedTuple):
    """A machine of a cluster.

    Attributes:
        name: Its address.
        id: What the engine calls it.
        cores: How many the engine gives to work.
        gpus: Likewise.
    """

    name: str
    id: str
    cores: int
    gpus: float = 0


class Child(Protocol):
    """A process that answers requests, as :class:`slmbench.instruments.children.ChildProcess` does."""

    def ask(self, request: dict[str, Any], limit_s: float) -> Any:
        """Send a request and sleep until the answer is there.

        Raises:
            LostError: The process failed, was killed or lost, or did not answer in time.
        """

    def close(self) -> None:
        """End the process."""


class Cluster(Protocol):
    """An engine at work."""

    def machines(self) -> list[Machine]:
        """Return the machines that are there, each once, in the order of their addresses."""

    def start(
        self,
        arguments: Sequence[str],
        *,
        what: str,
        threads: int | None = None,
        on: Machine | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Child | None:
        """Start a Python process, once there is room for it.

        Args:
            arguments: What the interpreter is told to run.
            what: What the process is, as the subject of a sentence, for errors.
            threads: Threads of its numeric libraries, and the cores that it takes where no machine is named.
            on: The machine, all of which it takes; wherever there is room when not given.
            wanted: Whether it is still needed; asked now and then while there is no room.

        Returns:
            The process; ``None`` when it is not wanted any more.

        Raises:
            LostError: It, or its machine, was lost before it began.
            SlmbenchError: slmbench is not there, or in other versions than here.
        """


@dataclass(frozen=True)
class Engine:
    """What starts child processes on several machines.

    Attributes:
        name: What ``--engine`` calls it.
        help: What it is, in one line.
        opener: ``module:function`` that is imported when it is used, and called without arguments; it returns a
            context manager of a :class:`Cluster`.
        module: Import name of what it needs, and the extra of slmbench that brings it.
        extra: Likewise.
    """

    name: str
    help: str
    opener: str
    module: str
    extra: str

    def open(self) -> AbstractContextManager[Cluster]:
        """Return a context in which the engine is connected.

        Raises:
            SlmbenchError: It cannot be reached.
        """
        module, _, function = self.opener.partition(":")
        return getattr(import_module(module), function)()


BUILTIN_ENGINES = (
    Engine(
        name="ray",
        help="a Ray cluster",
        opener="slmbench.instruments.ray_cluster:ray_cluster",
        module="ray",
        extra="ray",
    ),
)
ENGINES = Registry("engine", "slmbench.engines", BUILTIN_ENGINES)


def installed_engine(name: str | None) -> Engine | None:
    """Return the engine of that name, ``None`` for none.

    Raises:
        UsageError: There is no such engine.
        SlmbenchError: Its package is not installed; the message names the extra.
    """
    if name is None:
        return None
    engine = ENGINES[name]
    require_extra(engine.module, engine.extra, f"the engine {name}")
    return engine
