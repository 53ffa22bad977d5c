"""Options whose value is one of a few words, or a number that is written in several ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from slmbench.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    import typer

Word = TypeVar("Word", bound=str)


def choose(option: str, value: str | None, *words: Word) -> Word | None:
    """Return the word chosen, or ``None`` when nothing was.

    Raises:
        UsageError: The value is none of the words.
    """
    if value is None:
        return None
    for word in words:
        if value == word:
            return word
    raise UsageError(f"{option} {value}: choose one of {', '.join(words)}")


def refuse_others(ctx: typer.Context, allowed: Collection[str], what: str) -> None:
    """Refuse options that were given and would be passed over in silence.

    Args:
        ctx: The running command.
        allowed: Names of the parameters that are of use.
        what: Which use of the command this is, such as ``--method mlm``.

    Raises:
        UsageError: Another one was given.
    """
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name not in allowed and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{parameter.opts[0]} is no option of {what}")


def size(option: str, value: str | None) -> int | Literal["all"] | None:
    """Return a number of reviews, ``"all"``, or ``None`` when nothing was said.

    Raises:
        UsageError: It is neither a number above 0 nor the word.
    """
    if value is None:
        return None
    if value == "all":
        return "all"
    if not value.isdecimal() or int(value) == 0:
        raise UsageError(f"{option} {value}: give a number above 0, or all")
    return int(value)


def percentage(option: str, value: str | None) -> float | None:
    """Return ``5%``, ``5 %`` or ``5`` as 0.05, or ``None`` when nothing was said.

    Raises:
        UsageError: It is not a number from 0 to 100.
    """
    if value is None:
        return None
    try:
        number = float(value.strip().removesuffix("%"))
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 100:
        raise UsageError(f"{option} takes a number from 0 to 100, such as 5%; it is '{value}'")
    return number / 100
