"""Progress reports of long work, independent of any console.

Library functions take a ``Progress`` and report to it. The command line passes one that shows bars or lines; without
one, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work with a known or unknown number of steps."""

    def advance(self, steps: float = 1) -> None:
        """Report that this many more steps are done."""

    def describe(self, text: str) -> None:
        """Change the description, as at the end of an epoch."""

    def set_total(self, total: float) -> None:
        """Set the number of steps, once it is known."""


class Progress(Protocol):
    """Receives the reports."""

    def task(self, description: str, total: float | None = None, unit: str = "") -> AbstractContextManager[Task]:
        """Begin a piece of work; leaving the context ends it.

        Args:
            description: What is being done.
            total: Number of steps, if known.
            unit: What a step is, in the plural; ``"bytes"`` are shown as MB. Empty where steps are not counted.
        """

    def say(self, text: str) -> None:
        """Show one message, such as that a download begins."""


class _SilentTask:
    def advance(self, steps: float = 1) -> None:
        pass

    def describe(self, text: str) -> None:
        pass

    def set_total(self, total: float) -> None:
        pass


class Silent:
    """Ignores the reports."""

    @contextmanager
    def task(self, description: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """Begin a piece of work."""
        yield _SilentTask()

    def say(self, text: str) -> None:
        """Ignore a message."""


SILENT = Silent()
