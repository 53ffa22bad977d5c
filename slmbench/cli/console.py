"""The console that everything for people goes through: no text that it shows can steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from slmbench.common.formatting import printable


class PlainConsole(Console):
    """A console for untrusted text: square brackets and colons are not markup, control characters are shown as �.

    Args:
        file: Where to write.
        width: Columns; by default those of the terminal.
    """

    def __init__(self, file: TextIO, width: int | None = None) -> None:
        super().__init__(file=file, width=width, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render anything; rich's own control codes are segments of their own and stay."""
        for segment in super().render(renderable, options):
            if segment.control is not None or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text=printable(segment.text))
