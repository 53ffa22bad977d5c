"""Options that say how a corpus is read: declared once, given to every command that reads one."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import Any, Literal

import typer

from slmbench.cli.derived import CommandFunction, Decorator, parameter, with_parameters
from slmbench.cli.shared_options import CORPUS, share_parser


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


def _option(name: str, kind: Any, *flags: str, default: Any = None, **more: Any) -> inspect.Parameter:
    return parameter(name, kind, typer.Option(*flags, rich_help_panel=CORPUS, **more), default)


#: By the keyword of ``load_corpus``.
_OPTIONS = {
    one.name: one
    for one in (
        _option(
            "text_column",
            str | None,
            "--text-column",
            "--text-field",
            help="Column of the text, or several to join, such as title,body; of Amazon files reviewText or summary.",
            show_default="the column with a usual name, such as text",
        ),
        _option(
            "label_column",
            str | None,
            "--label-column",
            help="Column of the label.",
            show_default="the column with a usual name, such as label",
        ),
        _option(
            "stars",
            Literal["drop", "negative", "neutral"],
            "--stars",
            default="drop",
            help="What a 3-star review counts as; drop leaves it out.",
        ),
        _option(
            "bins",
            Any,
            "--bins",
            parser=parse_bins,
            metavar="<numbers>",
            help="Where a label column of numbers is cut into classes, such as 2.5,3.5.",
            show_default="labels are classes",
        ),
        _option(
            "test_corpus",
            str | None,
            "--test-corpus",
            help="Take the test reviews from this file.",
            show_default="the test rows of the corpus, or some set aside",
        ),
        _option(
            "test_share",
            float | None,
            "--test-share",
            parser=share_parser(),
            metavar="<percent>",
            help="Share of the reviews that is held out for testing, such as 30% (0.3: the same).",
            show_default="15%",
        ),
        _option(
            "group_column",
            str | None,
            "--group-column",
            help="Column whose equal values, such as an author or a product, stay on one side of the split.",
            show_default="each review is split by itself",
        ),
        _option(
            "time_column",
            str | None,
            "--time-column",
            help="Column of times (ISO dates, years, seconds since 1970): train on the past, test on the future.",
            show_default="the split does not depend on time",
        ),
        _option(
            "unlabelled_corpus",
            str | None,
            "--unlabelled-corpus",
            help="Further texts without labels for the teacher to label.",
            show_default="the training reviews of the corpus",
        ),
        _option(
            "delimiter",
            str | None,
            "--delimiter",
            help="Character between the fields of a CSV or TSV file, or tab.",
            show_default="detected from the first lines",
        ),
        _option(
            "encoding",
            str | None,
            "--encoding",
            help="Encoding of text files, such as cp1252.",
            show_default="UTF-8, UTF-16 or cp1252, as detected",
        ),
        _option(
            "header",
            bool | None,
            "--header/--no-header",
            help="Whether the first line of a CSV or TSV file names the columns.",
            show_default="detected from the first lines",
        ),
        _option(
            "skip_bad_rows",
            bool,
            "--skip-bad-rows",
            default=False,
            help="Leave out rows that cannot be read, and count them.",
        ),
    )
}
#: How files are laid out: for every command that opens one.
LAYOUT = ("delimiter", "encoding", "header")
ALL = tuple(_OPTIONS)
#: For reading a corpus with labels of which no side is trained on.
FOR_TESTING = ("text_column", "label_column", "stars", "bins", *LAYOUT, "skip_bad_rows")


def reads_corpus(*names: str) -> Decorator:
    """Return a decorator that gives a command options of a corpus.

    The command gets those that were given as one keyword argument ``reading``, a dict of keyword arguments for
    :func:`slmbench.corpora.load_corpus` and its sisters. It is put above other decorators that add options.

    Args:
        names: Which options.
    """
    defaults = {name: _OPTIONS[name].default for name in names}

    def decorate(command: CommandFunction) -> CommandFunction:
        @wraps(command)
        def with_reading(**given: Any) -> None:
            found = {name: given.pop(name) for name in names}
            reading = {name: value for name, value in found.items() if value != defaults[name]}
            command(**given, reading=reading)

        # Typer reads annotations before the signature.
        with_reading.__annotations__ = {}
        return with_parameters([_OPTIONS[name] for name in names], instead_of="reading")(with_reading)

    return decorate
