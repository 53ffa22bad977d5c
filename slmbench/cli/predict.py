"""``slmbench predict``: classify texts with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output


def predict(
    bundle: Annotated[Path, typer.Argument(help="The bundle folder.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; stdin, a text a line, when none.")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="A file: a text a line, or CSV, TSV, JSONL with --text-column."),
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option("--text-column", help="Column of the text in a table."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--form", help="Form to run; the smallest accepted one when not given."),
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1)] = None,
    tuned: Annotated[
        bool,
        typer.Option("--tuned", help="Run it as `slmbench tune` found it fastest on this machine."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write instead of stdout."),
    ] = None,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as always.", hidden=True)] = False,
) -> None:
    """Classify texts: one JSON line a text, in input order, however many there are.

    Examples:
      slmbench predict exported/bert-tiny-imdb "A superb film." "Two hours I want back."
      echo "A superb film." | slmbench predict exported/bert-tiny-imdb
      slmbench predict exported/bert-tiny-imdb --input reviews.csv --text-column body --output labels.jsonl
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.texts import classify_to, texts_from
        from slmbench.common.errors import UsageError
        from slmbench.edge import Classifier
        from slmbench.instruments.tuned import tuned_settings

        if texts and source:
            raise UsageError("give texts or --input, not both")
        given = {name: value for name, value in (("form", form), ("threads", threads)) if value is not None}
        found = tuned_settings(bundle) if tuned else {}
        classifier = Classifier(bundle, **{**found, **given})
        if tuned and not found:
            out.warn(f"{bundle} was not tuned on this machine and runs as without --tuned: run `slmbench tune` on it")
        classify_to(output, classifier, texts_from(texts, source, text_column, out), out)
