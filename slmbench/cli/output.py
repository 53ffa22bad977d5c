"""The one place where the command line writes: human text, progress bars, JSON, and errors."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from slmbench.common.errors import SlmbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType
    from rich.progress import Progress as RichProgress

    from slmbench.common.progress import Task


class Output:
    """Where a command writes.

    Results go to stdout, as text for people or as one JSON document; what is said on the way goes to stderr.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self._quiet = quiet

    def result(self, document: str, *human: RenderableType) -> None:
        """Print a command's result: the JSON document with --json, else the text for people."""
        if self.as_json:
            _write_json(document.rstrip("\n"))
        elif not self._quiet:
            console = _console(stderr=False)
            for part in human:
                console.print(part)
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """Print one line of a command whose results are JSON lines."""
        _write_json(text)

    def say(self, text: str) -> None:
        """Tell the person one thing on stderr."""
        if not self._quiet:
            _console(stderr=True).print(text, style="dim", highlight=False, markup=False)

    def warn(self, text: str) -> None:
        """Tell the person of something wrong that does not stop the work; said even with --quiet."""
        _console(stderr=True).print(f"warning: {text}", style="yellow", highlight=False, markup=False)

    @contextmanager
    def task(self, description: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """Show a progress bar with the time left; drawn only on a terminal."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import DownloadColumn as BytesColumn

        console = _console(stderr=True)
        amount = BytesColumn() if unit == "bytes" else MofNCompleteColumn()
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            amount,
            TextColumn(unit if unit != "bytes" else ""),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            # Elsewhere than on a terminal, each refresh of a bar would be a line of a log.
            disable=self._quiet or not console.is_terminal,
        ) as bars:
            yield _Bar(bars, description, total)


class _Bar:
    def __init__(self, bars: RichProgress, description: str, total: float | None) -> None:
        self._bars = bars
        self._id = bars.add_task(description, total=total)

    def advance(self, steps: float = 1) -> None:
        self._bars.advance(self._id, steps)

    def describe(self, text: str) -> None:
        self._bars.update(self._id, description=text)

    def set_total(self, total: float) -> None:
        self._bars.update(self._id, total=total)


@contextmanager
def command_output(*, as_json: bool = False, quiet: bool = False, debug: bool = False) -> Iterator[Output]:
    """Run a command's body: what goes wrong for the user becomes one sentence and an exit status.

    Args:
        as_json: Print the record as JSON.
        quiet: Say nothing on the way.
        debug: Show tracebacks and the libraries' own messages.

    Yields:
        Where to write.
    """
    if not debug:
        _silence_libraries()
    try:
        yield Output(as_json=as_json, quiet=quiet)
        # Here a reader that has gone is expected; at exit Python would complain of it.
        sys.stdout.flush()
    except SlmbenchError as error:
        if debug:
            raise
        _print_error(str(error))
        raise typer.Exit(error.exit_code) from None
    except BrokenPipeError:
        # The reader has seen enough (`slmbench predict … | head`); Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        if debug:
            raise
        # What the system refuses (no space, no permission, a folder where a file should be) is the user's to mend.
        where = f"{error.filename}: " if error.filename else ""
        _print_error(f"{where}{error.strerror or error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _console(stderr=True).print("interrupted; run the same command again", style="yellow")
        raise typer.Exit(130) from None


def to_json(document: dict[str, Any]) -> str:
    """Return a document that is not a record as JSON."""
    return json.dumps(document, ensure_ascii=False)


def _write_json(text: str) -> None:
    """Write a line of JSON in UTF-8, which JSON is in whatever the console is (RFC 8259, section 8.1)."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text + "\n")


def _print_error(sentence: str) -> None:
    console = _console(stderr=True)
    console.print(f"error: {sentence}", style="bold red", highlight=False, markup=False, soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # A console of few characters (cp1252, ASCII) shows a substitute instead of failing on a sign it lacks.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    console = Console(file=stream)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # A file or a log has no width of its own; 80 columns would cut names and numbers.
        console = Console(file=stream, width=120)
    return console


def _silence_libraries() -> None:
    """Keep libraries from writing beside the command's own output."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    warnings.simplefilter("ignore")
