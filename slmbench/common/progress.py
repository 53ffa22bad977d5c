"""How long work tells a person how far it is, without knowing about consoles.

Library functions take a ``Progress`` and call it; the command line passes one that draws bars, everything
else passes nothing and gets silence.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Task(Protocol):
    """One piece of work with a known or unknown number of steps."""

    def advance(self, steps: float = 1) -> None:
        """Say that so many more steps are done."""

    def describe(self, text: str) -> None:
        """Change the words beside the bar."""

    def set_total(self, total: float) -> None:
        """Say how many steps there are, once it is known."""


class Progress(Protocol):
    """Where work is announced."""

    def task(self, description: str, total: float | None = None, unit: str = "") -> AbstractContextManager[Task]:
        """Begin a piece of work; leaving the context ends it."""

    def say(self, text: str) -> None:
        """Tell the person one thing, such as that a download begins."""


class _SilentTask:
    def advance(self, steps: float = 1) -> None:
        pass

    def describe(self, text: str) -> None:
        pass

    def set_total(self, total: float) -> None:
        pass


class Silent:
    """Progress that tells nobody."""

    @contextmanager
    def task(self, description: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """Begin a piece of work nobody watches."""
        yield _SilentTask()

    def say(self, text: str) -> None:
        """Tell nobody."""


SILENT = Silent()
