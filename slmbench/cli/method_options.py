"""Options of methods on the command line, from the methods' declarations; the help has a panel for each method."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Literal

import typer

from slmbench.cli.derived import Decorator, parameter, with_parameters
from slmbench.methods.known_methods import loadable_methods
from slmbench.methods.listing import SHARED, list_options
from slmbench.methods.method import Stage
from slmbench.methods.options import Option


def options_of(stage: Stage) -> Decorator:
    """Return a decorator that gives a command the options of every method of a stage, as its keyword arguments.

    An option that several methods have is shown once, with the default of each.

    Args:
        stage: The command.
    """
    listed = list_options(loadable_methods(stage))
    return with_parameters([_typer_option(one.declared, one.panel, one.shown_default) for one in listed])


def these_options(options: Iterable[Option], panel: str = SHARED["finetune"]) -> Decorator:
    """Return a decorator that gives a command some declared options, as its keyword arguments.

    Args:
        options: The options.
        panel: Their heading in the help.
    """
    return with_parameters([_typer_option((one,), one.panel or panel, one.shown_default) for one in options])


def method_names(stage: Stage) -> list[str]:
    """Return the names of a stage's methods, for the help and shell completion."""
    return [method.name for method in loadable_methods(stage)]


def method_help(stage: Stage) -> str:
    """Return what each method of a stage does, for the help."""
    return "; ".join(f"{method.name}: {method.help}" for method in loadable_methods(stage))


def _typer_option(declared: tuple[Option, ...], panel: str, shown: str) -> inspect.Parameter:
    option = declared[0]
    kind: Any = option.type
    if option.repeated:
        kind = list[str]
    elif option.parse is not None or any(other.type != option.type for other in declared):
        kind = str
    elif option.choices and all(other.choices == option.choices for other in declared):
        kind = Literal[option.choices]
    flags = option.flags or (option.flag,)
    if kind is bool and option.default:
        flags = (f"{option.flag}/--no-{option.flag.removeprefix('--')}",)
    info = typer.Option(*flags, help=f"{option.help}.", show_default=shown, rich_help_panel=panel)
    return parameter(option.name, kind | None, info)
