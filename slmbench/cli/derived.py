"""Options of a command that are derived from declarations elsewhere: of methods, of corpora, of limits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

CommandFunction = Callable[..., None]
Decorator = Callable[[CommandFunction], CommandFunction]


def parameter(name: str, kind: Any, option: Any, default: Any = None) -> inspect.Parameter:
    """Return one option as a parameter of a command.

    Args:
        name: The keyword argument that gets its value.
        kind: Type of the value.
        option: The ``typer.Option``.
        default: The value when it is not given.
    """
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def with_parameters(made: Iterable[inspect.Parameter], *, instead_of: str | None = None) -> Decorator:
    """Return a decorator that gives a command more options; it gets their values as keyword arguments.

    Args:
        made: The options.
        instead_of: Name of a parameter of the command that is no option.
    """

    def decorate(command: CommandFunction) -> CommandFunction:
        own = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, one in inspect.signature(command, eval_str=True).parameters.items()
            if one.kind is not inspect.Parameter.VAR_KEYWORD and name != instead_of
        ]
        command.__signature__ = inspect.Signature([*own, *made])  # type: ignore[attr-defined]
        return command

    return decorate
