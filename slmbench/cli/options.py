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
        help="imdb, rotten-tomatoes, a CSV, TSV, JSONL or Parquet file, or a hub dataset.",
        rich_help_panel="Corpus",
    ),
]
TrainSize = Annotated[
    int | None,
    typer.Option(
        "--train-size",
        min=2,
        help="Training reviews; a tenth of them picks the epoch.",
        rich_help_panel="Corpus",
    ),
]
TestSize = Annotated[
    int | None,
    typer.Option("--test-size", min=2, help="Held-out reviews.", rich_help_panel="Corpus"),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column",
        "--text-field",
        help="Column of the text; for Amazon files reviewText or summary.",
        rich_help_panel="Corpus",
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", help="Column of the label.", rich_help_panel="Corpus"),
]
Stars = Annotated[
    str,
    typer.Option("--stars", help="What a 3-star review is: drop, negative or neutral.", rich_help_panel="Corpus"),
]
TestCorpus = Annotated[
    str | None,
    typer.Option("--test-corpus", help="Test rows from a file of their own.", rich_help_panel="Corpus"),
]
SkipBadRows = Annotated[
    bool,
    typer.Option("--skip-bad-rows", help="Drop rows that cannot be read, and count them.", rich_help_panel="Corpus"),
]
OutputFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder to write."),
]
