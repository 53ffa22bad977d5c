"""``slmbench predict``: classify texts with a bundle."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.corpus_options import LAYOUT, reads_corpus
from slmbench.cli.output import command_output


@reads_corpus("text_column", *LAYOUT)
def predict(
    bundle: Annotated[Path, typer.Argument(help="The bundle folder.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts to classify.", show_default="standard input, one text per line")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            help="File to read: one text per line, or a table (CSV, TSV, JSON, Parquet, Arrow).",
            show_default="none",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--form", help="Form to run, such as int8.", show_default="the smallest accepted one"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Threads inside one inference.", show_default="the usable cores"),
    ] = None,
    tuned: Annotated[
        bool,
        typer.Option("--tuned", help="Use the settings that `slmbench tune` found fastest on this machine."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write: .jsonl, .csv, .tsv or .parquet.",
            show_default="standard output, as JSON lines",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="Columns of the input to write beside the answers, such as id,date; 'all' for all.",
            show_default="all in a table, none in JSON lines",
        ),
    ] = None,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as always.", hidden=True)] = False,
    *,
    reading: dict[str, Any],
) -> None:
    """Classify texts: one JSON line or table row per text, in input order, in constant memory.

    Examples:
      slmbench predict exported/bert-tiny-imdb "A superb film." "Two hours I want back."
      echo "A superb film." | slmbench predict exported/bert-tiny-imdb
      slmbench predict exported/bert-tiny-imdb --input reviews.csv --text-column body --output labels.jsonl
      slmbench predict exported/bert-tiny-imdb --input reviews.csv --keep id,body --output labels.csv
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.prediction_io import texts_from, trained_columns
        from slmbench.cli.prediction_output import check_output, classify_to
        from slmbench.common.errors import UsageError
        from slmbench.corpora.tables import TableFormat
        from slmbench.edge.runtime import RECORD, Classifier
        from slmbench.instruments.tuned import tuned_settings

        if texts and source:
            raise UsageError("give texts or --input, not both")
        if not (bundle / RECORD).is_file():
            from slmbench.records import BundleRecord, artefacts

            artefacts.read(bundle, BundleRecord)  # which says what it is instead, and what to do
        kept = check_output(output, keep)
        given = {name: value for name, value in (("form", form), ("threads", threads)) if value is not None}
        found = tuned_settings(bundle) if tuned else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # said below, as other warnings are
            classifier = Classifier(bundle, **{**found, **given})
        if classifier.notice is not None:
            out.warn(classifier.notice)
        if tuned and not found:
            out.warn(f"{bundle} was not tuned on this machine; --tuned has no effect: run `slmbench tune {bundle}`")
        text_column = reading.pop("text_column", None)
        if reading and source is None:
            raise UsageError("--delimiter, --encoding and --header are for a table: name it with --input")
        layout = TableFormat(**reading)
        found_texts = texts_from(texts, source, text_column, trained_columns(bundle), layout, kept, out)
        classify_to(output, classifier, found_texts, kept, out)
        if output is not None:
            out.say(f"written to {output}")
