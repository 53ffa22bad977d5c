"""Options that say how a corpus is read: declared once, given to every command that reads one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Literal

import typer

from slmbench.cli.options import CORPUS

CommandFunction = Callable[..., None]


def parse_bins(value: str) -> tuple[float, ...]:
    """Return ``2.5,3.5`` as numbers.

    Raises:
        typer.BadParameter: It is not numbers with commas between them.
    """
    try:
        return tuple(float(edge) for edge in value.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{value}: give ascending numbers with commas between them, such as 2.5,3.5"
        ) from None


def _option(kind: Any, default: Any, *flags: str, help: str, **more: Any) -> tuple[Any, Any]:  # noqa: A002
    return Annotated[kind, typer.Option(*flags, help=help, rich_help_panel=CORPUS, **more)], default


#: By the keyword of ``load_corpus``: annotation and default.
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "text_column": _option(
        str | None,
        None,
        "--text-column",
        "--text-field",
        help="Column of the text, or several to join, such as title,body; of Amazon files reviewText or summary.",
        show_default="the column with a usual name, such as text",
    ),
    "label_column": _option(
        str | None,
        None,
        "--label-column",
        help="Column of the label.",
        show_default="the column with a usual name, such as label",
    ),
    "stars": _option(
        Literal["drop", "negative", "neutral"],
        "drop",
        "--stars",
        help="What a 3-star review counts as; drop leaves it out.",
    ),
    "bins": _option(
        Any,
        None,
        "--bins",
        parser=parse_bins,
        metavar="<numbers>",
        help="Where a label column of numbers is cut into classes, such as 2.5,3.5.",
        show_default="labels are classes",
    ),
    "test_corpus": _option(
        str | None,
        None,
        "--test-corpus",
        help="Take the test reviews from this file.",
        show_default="the test rows of the corpus, or some set aside",
    ),
    "unlabelled_corpus": _option(
        str | None,
        None,
        "--unlabelled-corpus",
        help="Further texts without labels for the teacher to label.",
        show_default="the training reviews of the corpus",
    ),
    "delimiter": _option(
        str | None,
        None,
        "--delimiter",
        help="Character between the fields of a CSV or TSV file, or tab.",
        show_default="found out from the first lines",
    ),
    "encoding": _option(
        str | None,
        None,
        "--encoding",
        help="Encoding of text files, such as cp1252.",
        show_default="UTF-8, UTF-16 or cp1252, found out",
    ),
    "header": _option(
        bool | None,
        None,
        "--header/--no-header",
        help="Whether the first line of a CSV or TSV file names the columns.",
        show_default="found out from the first lines",
    ),
    "skip_bad_rows": _option(
        bool, False, "--skip-bad-rows", help="Leave out rows that cannot be read, and count them."
    ),
}
#: How files are laid out: for every command that opens one.
LAYOUT = ("delimiter", "encoding", "header")
ALL = tuple(_OPTIONS)
#: For reading a corpus with labels of which no side is trained on.
FOR_TESTING = ("text_column", "label_column", "stars", "bins", *LAYOUT, "skip_bad_rows")


def reads_corpus(*names: str) -> Callable[[CommandFunction], CommandFunction]:
    """Return a decorator that gives a command options of a corpus.

    The command gets those that were given as one keyword argument ``reading``, a dict of keyword arguments for
    :func:`slmbench.corpora.load_corpus` and its sisters. It is put above other decorators that add options.

    Args:
        names: Which options.
    """

    def decorate(command: CommandFunction) -> CommandFunction:
        before = [
            one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "reading"
        ]
        made = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in ((name, _OPTIONS[name]) for name in names)
        ]

        @wraps(command)
        def with_reading(**given: Any) -> None:
            found = {name: given.pop(name) for name in names}
            command(**given, reading={name: value for name, value in found.items() if value != _OPTIONS[name][1]})

        keyword = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in before if one.kind is not one.VAR_KEYWORD
        ]
        with_reading.__signature__ = inspect.Signature([*keyword, *made])  # type: ignore[attr-defined]
        with_reading.__annotations__ = {}
        return with_reading

    return decorate
