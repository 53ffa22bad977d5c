"""What can go wrong for a user, as one sentence each; everything else is a bug and may show a traceback."""

from __future__ import annotations

import importlib.util


class SlmbenchError(Exception):
    """A failure explained in one sentence that says what to do next (exit status 1)."""

    exit_code = 1


class UsageError(SlmbenchError):
    """The call itself is wrong: an option, a name, a path (exit status 2)."""

    exit_code = 2


def first_line(error: BaseException) -> str:
    """Return what a library's error says, as the end of a sentence: its first line, or its kind where it is mute."""
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
