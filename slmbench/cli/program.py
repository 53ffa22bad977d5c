"""The frame of the program: the one place where errors become a sentence and an exit status, and did-you-mean."""

from __future__ import annotations

import inspect
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

import typer
from typer import TyperException
from typer.core import TyperCommand, TyperGroup, TyperOption

from slmbench.cli.output import TYPED, print_error
from slmbench.cli.shared_options import OUTPUT
from slmbench.cli.signals import Terminated, signals_first, signals_raised
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.full_disk import DiskFullError, full_disk
from slmbench.common.suggestions import did_you_mean
from slmbench.methods.known_methods import loadable_methods
from slmbench.methods.listing import SHARED
from slmbench.methods.method import Stage

#: What the parser says of a value that is none of the choices.
_NO_CHOICE = re.compile(r"'(?P<value>.*)' is not one of (?P<choices>'.+')\.")


#: Where spellings or the type of an option are longer, they go into its help, whose column is narrow at 80 columns.
_MAX_NAMES, _MAX_TYPE = 20, 10


class _Help:
    """Help in which a flag, which takes no value, has no type, and the options of the output come last."""

    _is_shown = False

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters in the order of the help."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        ordered = sorted(parameters, key=lambda one: getattr(one, "rich_help_panel", None) == OUTPUT)
        return [_for_help(one, ctx) for one in self.chosen_for_help(ordered)] if self._is_shown else ordered

    def chosen_for_help(self, parameters: list[Any]) -> list[Any]:
        """Return those that the help shows."""
        return parameters

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help."""
        self._is_shown = True
        try:
            super().format_help(ctx, formatter)  # type: ignore[misc]
        finally:
            self._is_shown = False


def _for_help(parameter: Any, ctx: Any) -> Any:
    """Return a copy of an option whose names, type and default leave room for its help."""
    from rich.markup import escape

    if not isinstance(parameter, TyperOption) or not parameter.help:
        return parameter
    shown, more = copy(parameter), []
    if parameter.secondary_opts and not parameter.is_flag:
        shown.secondary_opts = []
    elif parameter.secondary_opts:
        shown.secondary_opts, shown.opts = [], parameter.opts
        more.append(f"{parameter.secondary_opts[0]}: not")
    long = [name for name in parameter.opts if name.startswith("--")]
    if len(",".join(long)) > _MAX_NAMES and len(long) > 1:
        shown.opts = [name for name in parameter.opts if name not in long[1:]]
        more.append(f"also {', '.join(long[1:])}")
    kind = (parameter.display_type_rich(ctx=ctx) or "").strip("<>")
    if kind.endswith(" range"):  # which stands beside it in brackets
        shown.metavar = f"<{kind.removesuffix(' range')}>"
    elif "|" in kind and len(kind) > _MAX_TYPE:
        shown.metavar = "<choice>"
        more.append(", ".join(kind.split("|")))
    if isinstance(parameter.show_default, str):
        shown.show_default = False
        more.append(f"default: {parameter.show_default}")
    shown.help = parameter.help + (f" ({escape('; '.join(more))})" if more else "")
    return shown


class Command(_Help, TyperCommand):
    """A command of the program; the paragraphs of its help are filled to the width of the terminal."""

    def __init__(self, *args: Any, help: str | None = None, **attributes: Any) -> None:  # noqa: A002
        paragraphs = inspect.cleandoc(help or "").split("\n\n")
        filled = [text if text.startswith("Examples:") else " ".join(text.split()) for text in paragraphs]
        # The empty paragraph keeps typer from taking the indentation of the examples away.
        super().__init__(*args, help="\n\n".join([filled[0], "", *filled[1:]]), **attributes)


class MethodCommand(Command):
    """``finetune`` or ``fewshot``: its help shows the options of the method that is named, with its defaults."""

    def chosen_for_help(self, parameters: list[Any]) -> list[Any]:
        """Return the options without those of other methods.

        Without a method those of the default one, and where there is none, those that several methods have.
        """
        stage: Stage = "finetune" if self.name == "finetune" else "fewshot"
        methods = {method.name: method for method in loadable_methods(stage)}
        named = _typed_method() or ("full" if stage == "finetune" else "")
        of_methods = {option.name for method in methods.values() for option in method.options}
        others = " and ".join(filter(None, [", ".join(list(methods)[:-1]), list(methods)[-1]]))
        self.epilog = (
            f"Each method has its own options: slmbench {self.name} --method NAME --help, NAME being {others}."
        )
        if named not in methods:
            return [one for one in parameters if one.name not in of_methods or one.rich_help_panel == SHARED[stage]]
        own = {option.name: option for option in methods[named].options}
        found = []
        for one in parameters:
            if one.name in own:
                found.append(copy(one))
                found[-1].show_default = own[one.name].shown_default
            elif one.name not in of_methods:
                found.append(one)
        return found


def _typed_method() -> str | None:
    """Return the method that was typed beside ``--help``."""
    words = TYPED.get([])
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--method":
            return following
        if word.startswith("--method="):
            return word.partition("=")[2]
    return "lora" if "--lora" in words else None


class Program(_Help, TyperGroup):
    """The commands, behind one boundary for errors."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        """Run a command and exit with its status: 0 done, 1 failed, 2 bad usage, 3 inconclusive.

        After a signal it is 128 plus the signal's number, as in shells: 130 interrupted, 143 terminated.
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
