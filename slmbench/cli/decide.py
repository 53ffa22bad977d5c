"""``slmbench decide``: from a file of labelled texts to what to ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.compare import LIMIT_OPTIONS
from slmbench.cli.corpus_options import ALL, reads_corpus
from slmbench.cli.derived import with_parameters
from slmbench.cli.output import command_output


@reads_corpus(*ALL)
@with_parameters(LIMIT_OPTIONS)
def decide(
    corpus: Annotated[
        str, typer.Argument(help="File of labelled texts (CSV, TSV, JSON Lines, JSON, Parquet), or a corpus.")
    ],
    time_budget: Annotated[
        float,
        typer.Option(
            "--time-budget",
            parser=opt.parse_duration,
            metavar="<time>",
            help="How long to go on trying larger models, such as 90s, 10m or 2h.",
        ),
    ] = "10m",  # type: ignore[assignment]
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model to try, several times for several: a starter item, a folder or a hub name.",
            show_default="bert-tiny and minilm-l6",
        ),
    ] = None,
    output: opt.OutputFolder = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    *,
    reading: dict[str, Any],
    **limits: float | None,
) -> None:
    """Find what to ship for a file of labelled texts: a first answer within a minute, then better ones.

    Ctrl-C after the first answer ends the search with the best so far; the same command again goes on from there.

    Examples:
      slmbench decide reviews.csv
      slmbench decide reviews.csv --max-p95-ms 20 --max-size-mb 25 --min-accuracy 85% --time-budget 5m
      slmbench decide reviews.jsonl --text-column body --label-column verdict
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.signals import forget_received
        from slmbench.cli.views.deciding import deciding_view
        from slmbench.compare import Constraints
        from slmbench.deciding import decide as find

        record = find(
            corpus,
            constraints=Constraints(**limits),
            time_budget_s=time_budget,
            models=model or (),
            reading=reading,
            output=output,
            command=out.command,
            progress=out,
        )
        if record.interrupted:
            forget_received()
        out.result(record.to_json(), *deciding_view(record), written=Path(record.report).parent)
