"""The one place where the command line writes: human text, progress, JSON, and errors."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from slmbench.common.progress import Task

#: Characters of an error that are shown.
MAX_SENTENCE = 2_000
#: The command as it was typed, without the path of the program.
TYPED: ContextVar[list[str]] = ContextVar("TYPED")


class Output:
    """Where a command writes.

    Results go to stdout, as text for people or as one JSON document; progress and messages go to stderr.

    Args:
        as_json: Print the record as one JSON document.
        quiet: Suppress progress output and messages.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self._quiet = quiet

    @property
    def command(self) -> list[str]:
        """The command as it was typed, for the record."""
        return TYPED.get(["slmbench"])

    def result(
        self,
        document: str,
        *human: RenderableType,
        written: Path | str | None = None,
        then: Sequence[Path | str] = (),
    ) -> None:
        """Print a command's result: the JSON document with --json, else the text for people.

        Args:
            document: The record as JSON.
            *human: What people see instead.
            written: Where the output lies; shown to people.
            then: Words of the command that usually comes next, without ``slmbench``; shown to people.
        """
        if self.as_json:
            _write_json(document.rstrip("\n"))
        elif not self._quiet:
            console = _console(stderr=False)
            for part in human:
                console.print(part)
            if written is not None:
                console.print(f"written to {written}", highlight=False, markup=False, soft_wrap=True)
            if then:
                words = shlex.join(["slmbench", *map(str, then)])
                console.print(f"next: {words}", highlight=False, markup=False, soft_wrap=True)
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """Print one line of a command whose results are JSON lines."""
        _write_json(text)

    def say(self, text: str) -> None:
        """Show one message on stderr."""
        if not self._quiet:
            _console(stderr=True).print(text, style="dim", highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Show a warning on stderr, also with --quiet."""
        _console(stderr=True).print(f"warning: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    def task(self, description: str, total: float | None = None, unit: str = "") -> AbstractContextManager[Task]:
        """Show how far work is: a bar on a terminal, plain lines elsewhere, nothing with --quiet."""
        from slmbench.cli import bars
        from slmbench.common.progress import SILENT

        if self._quiet:
            return SILENT.task(description, total, unit)
        console = _console(stderr=True)
        if console.is_terminal:
            return bars.bar(console, description, total, unit)
        return bars.lines(self.say, description, total, unit)


@contextmanager
def command_output(*, as_json: bool = False, quiet: bool = False, debug: bool = False) -> Iterator[Output]:
    """Give a command's body its output.

    Args:
        as_json: Print the record as JSON.
        quiet: Suppress progress output and messages.
        debug: Let libraries write their own messages.

    Yields:
        Where to write.
    """
    with nullcontext() if debug else _silent_libraries():
        yield Output(as_json=as_json, quiet=quiet)


def to_json(document: dict[str, Any]) -> str:
    """Return a document that is not a record as JSON."""
    return json.dumps(document, ensure_ascii=False)


def _write_json(text: str) -> None:
    """Write a line of JSON in UTF-8, whatever the encoding of the console (RFC 8259, section 8.1)."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text + "\n")


def print_error(sentence: str, details: Sequence[str] = ()) -> None:
    """Show on stderr what went wrong, in one line and one for each detail, whatever untrusted names are in it."""
    console = _console(stderr=True)
    for number, text in enumerate([sentence, *details]):
        line = ("  " if number else "error: ") + " ".join(text.splitlines())
        if len(line) > MAX_SENTENCE:
            line = f"{line[: MAX_SENTENCE // 2]} … {line[-MAX_SENTENCE // 2 :]}"
        console.print(line, style="red" if number else "bold red", highlight=False, markup=False, soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    from slmbench.cli.console import PlainConsole

    stream = sys.stderr if stderr else sys.stdout
    # A console with a small character set (cp1252, ASCII) shows a substitute for a character that it lacks.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    console = PlainConsole(stream)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # A file or a log has no width of its own, and 80 columns would leave columns out.
        console = PlainConsole(stream, width=120)
    return console


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """Keep libraries from writing beside the command's own output."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
