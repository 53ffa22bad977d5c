"""The frame of the program: the one place where errors become a sentence and an exit status, and did-you-mean."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer import TyperException
from typer.core import TyperGroup

from slmbench.cli.commands import PANELS, Commands
from slmbench.cli.endings import ending_of
from slmbench.cli.output import TYPED, print_error
from slmbench.cli.program_help import program_help
from slmbench.cli.signals import Terminated, raise_received, signals_first, signals_raised
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.full_disk import DiskFullError, full_disk
from slmbench.common.suggestions import did_you_mean

#: What the parser says of a value that is none of the choices.
_NO_CHOICE = re.compile(r"'(?P<value>.*)' is not one of (?P<choices>'.+')\.")


class Program(TyperGroup):
    """The commands, behind one boundary for errors."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help; no command is imported for it."""
        options = [(", ".join(one.opts), getattr(one, "help", None) or "") for one in self.get_params(ctx)]
        column = max(map(len, self.commands))
        commands = [
            (panel, [(f"{name:{column}}", line) for name, line in lines.items()]) for panel, lines in PANELS.items()
        ]
        formatter.write(program_help(self.get_usage(ctx), self.help or "", [("Options", options), *commands]))

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        """Run a command and exit with its status: 0 done, 1 failed, 2 bad usage, 3 inconclusive.

        After a signal it is 128 plus the signal's number, as in shells: 130 interrupted, 143 terminated.
        """
        words = [*(sys.argv[1:] if args is None else args)]
        TYPED.set(["slmbench", *words])
        with _errors_explained(debug="--debug" in words), signals_raised():
            status = super().main(args, *others, **{**extra, "standalone_mode": False})
            raise_received()
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
        if "TORCHELASTIC_RUN_ID" in os.environ and not ctx.resilient_parsing:  # torchrun or accelerate launch
            from slmbench.methods.ranks import check_command

            check_command(args[0])
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
        with signals_first():
            yield
    except TyperException as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # which has shown the help already
            print_error(_usage_sentence(error))
        sys.exit(2)
    except SlmbenchError as error:
        if debug:
            raise
        print_error(str(error), error.details)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader has seen enough (`slmbench predict … | head`).
        _abandon_stdout()
        sys.exit(0)
    except KeyboardInterrupt as error:
        sentence, status = ending_of(error.number if isinstance(error, Terminated) else signal.SIGINT)
        print_error(sentence)
        sys.exit(status)
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
        # The help says more than typer's own checks, which name no value.
        own = message[:1].isupper()
        return f"{option}: {message[:1].lower()}{message[1:]}{_see_help(ctx)}" if own else f"{option} {message}"
    sentence = " ".join(error.format_message().split()).rstrip(".")
    return sentence[:1].lower() + sentence[1:] + _see_help(ctx)


def _choices(ctx: Any, parameter: Any) -> list[str]:
    """Return the values that an option may have, where they are few; the shell completes them too."""
    return [item.value for item in parameter.shell_complete(ctx, "") if item.type == "plain"]


def _see_help(ctx: Any) -> str:
    return f": see {ctx.command_path} --help" if ctx is not None else ""
