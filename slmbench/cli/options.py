"""Option types that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the record as one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on the way.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the libraries' own messages.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]

CorpusName = Annotated[
    str,
    typer.Option(
        "--corpus",
        help="imdb, rotten-tomatoes, a file, a quoted pattern or a folder of files, or a hub dataset.",
    ),
]
TrainSize = Annotated[
    str | None,
    typer.Option("--train-size", help="Training reviews, or 'all'; a tenth picks the epoch. [up to 1000]"),
]
TestSize = Annotated[
    str | None,
    typer.Option("--test-size", help="Held-out reviews, or 'all'. [up to 1000]"),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column",
        "--text-field",
        help="Column of the text; for Amazon files reviewText or summary.",
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", help="Column of the label."),
]
Stars = Annotated[
    str,
    typer.Option("--stars", help="What a 3-star review is: drop, negative or neutral."),
]
TestCorpus = Annotated[
    str | None,
    typer.Option("--test-corpus", help="Test rows from a file of their own."),
]
SkipBadRows = Annotated[
    bool,
    typer.Option("--skip-bad-rows", help="Drop rows that cannot be read, and count them."),
]
OutputFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder to write."),
]
