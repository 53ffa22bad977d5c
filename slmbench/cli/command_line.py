"""The command as it was typed, for the record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def command_line(ctx: typer.Context) -> list[str]:
    """Return the words of the running command; the path of the program itself is left out."""
    words = sys.argv[1:] if Path(sys.argv[0]).stem in ("slmbench", "app", "__main__") else [ctx.info_name or ""]
    return ["slmbench", *words]
