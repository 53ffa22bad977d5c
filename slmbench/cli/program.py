"""The frame of the program: the one place where errors become a sentence and an exit status, and did-you-mean."""

from __future__ import annotations

import inspect
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer import TyperException
from typer.core import TyperCommand, TyperGroup

from slmbench.cli.output import TYPED, print_error
from slmbench.cli.shared_options import OUTPUT
from slmbench.cli.signals import Terminated, signals_raised
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.full_disk import DiskFullError, full_disk
from slmbench.common.suggestions import did_you_mean

#: What the parser says of a value that is none of the choices.
_NO_CHOICE = re.compile(r"'(?P<value>.*)' is not one of (?P<choices>'.+')\.")


class _Help:
    """Help in which a flag, which takes no value, has no type, and the options of the output come last."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters in the order of the help."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return sorted(parameters, key=lambda one: getattr(one, "rich_help_panel", None) == OUTPUT)


class Command(_Help, TyperCommand):
    """A command of the program; the paragraphs of its help are filled to the width of the terminal."""

    def __init__(self, *args: Any, help: str | None = None, **attributes: Any) -> None:  # noqa: A002
        paragraphs = inspect.cleandoc(help or "").split("\n\n")
        filled = [text if text.startswith("Examples:") else " ".join(text.split()) for text in paragraphs]
        # The empty paragraph keeps typer from taking the indentation of the examples away.
        super().__init__(*args, help="\n\n".join([filled[0], "", *filled[1:]]), **attributes)


class Program(_Help, TyperGroup):
    """The commands, behind one boundary for errors."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        """Run a command and exit with its status: 0 done, 1 failed, 2 bad usage, 3 inconclusive.

        Of signals it is 128 and their number, as in shells: 130 interrupted, 143 terminated.
        """
        words = [*(sys.argv[1:] if args is None else args)]
        TYPED.set(["slmbench", *words])
        with _errors_explained(debug="--debug" in words), signals_raised():
            status = super().main(args, *others, **{**extra, "standalone_mode": False})
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        # Within typer's own handling, which has another status for a reader that has gone.
        with _errors_explained(debug="--debug" in TYPED.get()):
            result = super().invoke(ctx)
            # Here a reader that has gone is expected; at exit Python would complain of it.
            sys.stdout.flush()
        return result

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or suggest the one that may have been meant."""
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            hint = did_you_mean(args[0], self.commands)
            raise UsageError(f"there is no command '{args[0]}'{hint or _see_help(ctx)}")
        return super().resolve_command(ctx, args)


@contextmanager
def _errors_explained(*, debug: bool) -> Iterator[None]:
    """Turn what goes wrong for a user into one sentence on stderr and an exit status.

    Args:
        debug: Show tracebacks instead.

    Raises:
        SystemExit: Something went wrong.
    """
    try:
        yield
    except TyperException as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # which has shown the help already
            print_error(_usage_sentence(error))
        sys.exit(2)
    except SlmbenchError as error:
        if debug:
            raise
        print_error(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader has seen enough (`slmbench predict … | head`).
        _abandon_stdout()
        sys.exit(0)
    except KeyboardInterrupt as error:
        number = error.number if isinstance(error, Terminated) else signal.SIGINT
        print_error(f"{'interrupted' if number == signal.SIGINT else 'terminated'}; run the same command again")
        sys.exit(128 + number)
    except Exception as error:
        # What the system refuses (no space, no permission, a folder where a file should be) is for the user to fix;
        # that there is no space, libraries say in ways of their own.
        full = full_disk(error)
        if debug or not (full or isinstance(error, OSError)):
            raise
        try:
            sys.stdout.flush()
        except OSError:
            full = DiskFullError(
                "no space left where the output goes: make room there and run the same command again"
            )
            _abandon_stdout()
        print_error(str(full) if full else _refusal(error))
        sys.exit(1)


def _refusal(error: Exception) -> str:
    where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return f"{where}{getattr(error, 'strerror', None) or error}"


def _abandon_stdout() -> None:
    """Write no more to a stdout that takes nothing: Python would complain of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage_sentence(error: Any) -> str:
    """Return what the parser found, as one sentence with a suggestion or where to look."""
    ctx, parameter = error.ctx, getattr(error, "param", None)
    option = parameter.opts[0] if parameter is not None else ""
    unknown = getattr(error, "option_name", None)
    if unknown is not None and hasattr(error, "possibilities"):
        known = [name for one in ctx.command.get_params(ctx) for name in one.opts if name.startswith("--")]
        return f"{ctx.command_path} has no option {unknown}{did_you_mean(unknown, known) or _see_help(ctx)}"
    if no_choice := _NO_CHOICE.search(error.message):
        value, choices = no_choice["value"], re.findall(r"'([^']*)'", no_choice["choices"])
        return f"{option} {value}: choose one of {', '.join(choices)}{did_you_mean(value, choices)}"
    if parameter is not None and type(error).__name__ == "MissingParameter" and (choices := _choices(ctx, parameter)):
        return f"{ctx.command_path} needs {option}: {', '.join(choices)}"
    message = " ".join(error.message.split()).rstrip(".")
    if isinstance(error, typer.BadParameter) and message:
        # Of typer's own checks, which name no value, one sees more in the help.
        own = message[:1].isupper()
        return f"{option}: {message[:1].lower()}{message[1:]}{_see_help(ctx)}" if own else f"{option} {message}"
    sentence = " ".join(error.format_message().split()).rstrip(".")
    return sentence[:1].lower() + sentence[1:] + _see_help(ctx)


def _choices(ctx: Any, parameter: Any) -> list[str]:
    """Return the values that an option may have, where they are few; the shell completes them too."""
    return [item.value for item in parameter.shell_complete(ctx, "") if item.type == "plain"]


def _see_help(ctx: Any) -> str:
    return f": see {ctx.command_path} --help" if ctx is not None else ""


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
