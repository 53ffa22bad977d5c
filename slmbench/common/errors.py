"""Errors that a user can cause, each explained in one sentence; any other exception is a bug with a traceback."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence


class SlmbenchError(Exception):
    """A failure explained in one sentence that says what to do next (exit status 1).

    Args:
        sentence: The explanation.
        details: What it is about, shown below it one a line.
    """

    exit_code = 1

    def __init__(self, sentence: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.details = tuple(details)


class UsageError(SlmbenchError):
    """The call itself is wrong: an option, a name, a path (exit status 2)."""

    exit_code = 2


class InconclusiveError(SlmbenchError):
    """A gate or an audit that the measurements do not settle; the message says what would (exit status 3)."""

    exit_code = 3


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error message, as the end of a sentence; without a message, its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def require_extra(module: str, extra: str, purpose: str) -> None:
    """Check that an optional dependency is there before it is needed.

    Args:
        module: Import name to look for; it is found, not imported.
        extra: The extra of slmbench that brings it.
        purpose: What needs it, as a gerund phrase ("fine-tuning").

    Raises:
        SlmbenchError: The module is missing; the message names the extra.
    """
    if importlib.util.find_spec(module) is None:
        raise SlmbenchError(
            f"{purpose} needs the '{extra}' extra, which is not installed: pip install 'slmbench[{extra}]'"
        )
