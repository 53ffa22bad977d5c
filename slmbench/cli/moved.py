"""Old spellings of commands: each fails with a sentence that names the new one."""

from __future__ import annotations

from typing import Any

from slmbench.cli.program import Command
from slmbench.common.errors import UsageError

_ARCHITECTURE = "slmbench architecture NAME"
#: Options of ``profile`` that became commands of their own.
_OF_PROFILE = {
    "--sweep": "slmbench sweep BUNDLE --over length|batch|threads",
    "--against": "slmbench versus A B",
    "--fail-if-slower": "slmbench versus A B --fail-if-slower 5%",
    "--architecture": _ARCHITECTURE,
    "--random-weights": _ARCHITECTURE,
}


class ProfileCommand(Command):
    """``profile``, which once was four commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse options that are commands now, before any other option is looked at."""
        for word in args:
            option = word.partition("=")[0]
            if option in _OF_PROFILE:
                raise UsageError(f"profile {option} is a command of its own now: {_OF_PROFILE[option]}")
        return super().parse_args(ctx, args)
