"""The help of the program, drawn without rich: importing that takes longer than all else that this help needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from textwrap import wrap

import typer

#: Corners, horizontal and vertical lines, also where the console's character set has no boxes.
_BOX, _ASCII = tuple("╭╮╰╯─│"), tuple("++++-|")

Row = tuple[str, str]


def program_help(usage: str, text: str, panels: Iterable[tuple[str, Sequence[Row]]]) -> str:
    """Return the help of the program, in the look of the commands' help.

    Args:
        usage: The line of usage.
        text: What the program does, in lines.
        panels: Heading and rows of each panel; a row is a name and its help.

    Returns:
        Lines as wide as the terminal (the variables ``TERMINAL_WIDTH`` and ``COLUMNS`` come first), with colours that
        typer takes away where the output is no terminal.
    """
    width = int(os.environ.get("TERMINAL_WIDTH", 0)) or shutil.get_terminal_size().columns
    panels = list(panels)
    lines = ["", f" {_style(usage, bold=True)}", ""]
    for line in text.splitlines():
        lines += [f" {part}" for part in wrap(line, width - 2, break_on_hyphens=False)] or [""]
    lines.append("")
    for heading, rows in panels:
        names = max(len(name) for name, _ in rows)
        lines += _panel(heading, rows, names, width)
    return "\n".join([*lines, ""])


def _panel(heading: str, rows: Sequence[Row], names: int, width: int) -> list[str]:
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    left, right, low_left, low_right, line, side = _BOX if encoding.startswith("utf") else _ASCII
    room = max(width - names - 6, 20)
    found = [_style(f"{left}{line} {heading} {line * (width - len(heading) - 5)}{right}", dim=True)]
    edge = _style(side, dim=True)
    for name, help_text in rows:
        for number, part in enumerate(wrap(help_text, room, break_on_hyphens=False)):
            shown = _style(f"{'' if number else name:{names}}", fg="cyan", bold=True)
            found.append(f"{edge} {shown}  {part:{room}} {edge}")
    return [*found, _style(f"{low_left}{line * (width - 2)}{low_right}", dim=True)]


def _style(text: str, **style: bool | str) -> str:
    return text if os.environ.get("NO_COLOR") else typer.style(text, **style)  # type: ignore[arg-type]
