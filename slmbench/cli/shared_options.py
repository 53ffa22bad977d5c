"""Option types that several commands share; each has a help text, and says what happens where it is not given."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from slmbench.common.errors import UsageError
from slmbench.common.shares import Bare, parse_share, parse_time
from slmbench.instruments.engines import BUILTIN_ENGINES
from slmbench.methods.declarations.shared import parse_size

T = TypeVar("T")


def naming_the_option(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return the same parser for a ``typer.Option``: its usage errors are reported with the name of the option.

    Args:
        parse: Reads the value of an option; raises ``UsageError``.
    """

    @wraps(parse)
    def parser(value: str) -> T:
        try:
            return parse(value)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from None

    return parser


def model_names() -> list[str]:
    """Return the names of the starter models, for shell completion."""
    from slmbench import starter

    return [item.name for item in starter.catalogue().values() if item.kind == "model"]


def corpus_names() -> list[str]:
    """Return the names of the corpora that are known by name, for shell completion."""
    from slmbench.corpora.known_corpora import CORPORA

    return [name for name in CORPORA.names if CORPORA[name].matches(name)]


def share_parser(bare: Bare = "fraction", *, least: float = 0.0) -> Callable[[str], float]:
    """Return a parser of shares for a ``typer.Option``; see :func:`slmbench.common.shares.parse_share`.

    Args:
        bare: What a number without a unit means.
        least: A bare percentage below this is refused.
    """
    return naming_the_option(lambda value: parse_share(value, bare, least=least))


#: Times such as 10m.
parse_duration = naming_the_option(parse_time)
#: Losses of accuracy: a bare number is points, and 0.01 of those is a fraction that somebody meant.
parse_points = share_parser("percent", least=0.05)
#: Increases of time: a bare number is per cent, and 0.1 of those is a fraction that somebody meant.
parse_percentage = share_parser("percent", least=0.3)

#: Panels of a command's help: what it reads, and what every command has.
CORPUS, OUTPUT = "Corpus", "Output"

Json = Annotated[
    bool, typer.Option("--json", help="Print the record as one JSON document on stdout.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Suppress progress output.", rich_help_panel=OUTPUT)]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show tracebacks and the messages of libraries.", rich_help_panel=OUTPUT),
]
OutputFolder = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder to write.", show_default="named after the inputs", rich_help_panel=OUTPUT
    ),
]


def engine(what: str, panel: str) -> Any:
    """Return the option ``--engine``.

    Args:
        what: What is done on several machines.
        panel: Of the help.
    """
    names = "; ".join(f"{one.name}, {one.help}" for one in BUILTIN_ENGINES)
    words = f"{what} on machines that share the files: {names}."
    return typer.Option("--engine", metavar="<name>", help=words, show_default="this machine", rich_help_panel=panel)


Seed = Annotated[int, typer.Option("--seed", help="Seed of the random number generators.")]

_MODEL_HELP = "A starter model, a model folder, a run folder, or a name on the hub."
ModelName = Annotated[str, typer.Option("--model", "-m", help=_MODEL_HELP, autocompletion=model_names)]
#: Where some methods take no model; the default is then :data:`DEFAULT_MODEL` for those that do.
DEFAULT_MODEL = "minilm-l6"
OptionalModelName = Annotated[
    str | None,
    typer.Option("--model", "-m", help=_MODEL_HELP, show_default=DEFAULT_MODEL, autocompletion=model_names),
]
CorpusName = Annotated[
    str,
    typer.Option(
        "--corpus",
        help="imdb, rotten-tomatoes, a file, a quoted pattern or folder of files, or a dataset name on the hub.",
        autocompletion=corpus_names,
        rich_help_panel=CORPUS,
    ),
]
# Typer has no unions: the value is a number, "all" or None.
TrainSize = Annotated[
    Any,
    typer.Option(
        "--train-size",
        parser=naming_the_option(parse_size),
        metavar="<int|all>",
        help="Number of training reviews, or all; a tenth of them is set aside for validation.",
        show_default="1000, or as many as there are",
        rich_help_panel=CORPUS,
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--folds",
        min=2,
        help="Cross-validate: that many runs, which test every review once; for small corpora.",
        show_default="one run",
        rich_help_panel=CORPUS,
    ),
]
TestSize = Annotated[
    Any,
    typer.Option(
        "--test-size",
        parser=naming_the_option(parse_size),
        metavar="<int|all>",
        help="Number of test reviews, or all.",
        show_default="1000, or as many as there are",
        rich_help_panel=CORPUS,
    ),
]
