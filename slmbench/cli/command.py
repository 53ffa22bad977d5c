"""The classes of commands: their help, and options that became commands of their own."""

from __future__ import annotations

import inspect
from copy import copy
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperOption

from slmbench.cli.output import TYPED
from slmbench.common.errors import UsageError

if TYPE_CHECKING:
    from slmbench.methods.method import Stage

#: Where spellings or the type of an option are longer, they go into its help, whose column is narrow at 80 columns.
_MAX_NAMES, _MAX_TYPE = 20, 10


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


class Command(TyperCommand):
    """A command of the program.

    In its help, paragraphs are filled to the width of the terminal, a flag, which takes no value, has no type, and
    the options of the output come last.
    """

    _is_shown = False

    def __init__(self, *args: Any, help: str | None = None, **attributes: Any) -> None:  # noqa: A002
        paragraphs = inspect.cleandoc(help or "").split("\n\n")
        filled = [text if text.startswith("Examples:") else " ".join(text.split()) for text in paragraphs]
        # The empty paragraph keeps typer from taking the indentation of the examples away.
        super().__init__(*args, help="\n\n".join([filled[0], "", *filled[1:]]), **attributes)

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters in the order of the help."""
        from slmbench.cli.shared_options import OUTPUT

        parameters = super().get_params(ctx)
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
            super().format_help(ctx, formatter)
        finally:
            self._is_shown = False


class MethodCommand(Command):
    """``finetune`` or ``fewshot``: its help shows the options of the method that is named, with its defaults."""

    def chosen_for_help(self, parameters: list[Any]) -> list[Any]:
        """Return the options without those of other methods.

        Without a method those of the default one, and where there is none, those that several methods have.
        """
        from slmbench.methods.known_methods import loadable_methods
        from slmbench.methods.listing import SHARED

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
