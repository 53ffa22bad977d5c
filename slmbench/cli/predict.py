"""``slmbench predict``: classify texts with a bundle."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.corpus_options import LAYOUT, reads_corpus
from slmbench.cli.output import command_output

_SHARDS = "Many rows, in shards"


@reads_corpus("text_column", *LAYOUT)
def predict(
    bundle: Annotated[Path, typer.Argument(help="The bundle folder.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts to classify.", show_default="standard input, one text per line")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="<path>",
            help="File to read: one text per line, or a table (CSV, TSV, JSON, Parquet, Arrow); or a folder, a quoted"
            " pattern or a URL of such tables.",
            show_default="none",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--form", help="Form to run, such as int8.", show_default="the smallest accepted one"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            help="Threads inside one inference.",
            show_default="the usable cores divided by --workers",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Texts answered at the same time; of shards, processes that answer them.",
            show_default="the usable cores divided by --threads; for texts on the command line 1",
        ),
    ] = None,
    tuned: Annotated[
        bool,
        typer.Option("--tuned", help="Use the settings that `slmbench tune` found fastest on this machine."),
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="<path>",
            help="File to write: .jsonl, .csv, .tsv or .parquet; of a folder, pattern or URL the folder of shards.",
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
    shard_rows: Annotated[
        int | None,
        typer.Option("--shard-rows", min=1, help="Rows of a shard.", rich_help_panel=_SHARDS, show_default="100000"),
    ] = None,
    output_format: Annotated[
        Literal["parquet", "jsonl", "csv"] | None,
        typer.Option(
            "--output-format",
            help="Format of the shards.",
            rich_help_panel=_SHARDS,
            show_default="that of the input, else jsonl",
        ),
    ] = None,
    on_error: Annotated[
        Literal["stop", "reject"] | None,
        typer.Option(
            "--on-error",
            help="Whether a row without a usable text stops the work, or is set aside with the reason.",
            rich_help_panel=_SHARDS,
            show_default="stop",
        ),
    ] = None,
    engine: Annotated[str | None, opt.engine("Answer shards", _SHARDS)] = None,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Of shards, print the record; texts give JSON lines in any case.")
    ] = False,
    *,
    reading: dict[str, Any],
) -> None:
    """Classify texts: one JSON line or table row per text, in input order, in constant memory.

    A folder, a pattern or a URL is answered in shards, each with a manifest: the same command again does what is
    missing, several may run at once, and a row is answered once.

    Examples:
      slmbench predict exported/bert-tiny-imdb "A superb film." "Two hours I want back."
      echo "A superb film." | slmbench predict exported/bert-tiny-imdb
      slmbench predict exported/bert-tiny-imdb --input reviews.csv --text-column body --output labels.jsonl
      slmbench predict exported/bert-tiny-imdb --input reviews.csv --keep id,body --output labels.csv
      slmbench predict exported/bert-tiny-imdb --input 'reviews/*.parquet' --keep id --output labels
      slmbench predict exported/bert-tiny-imdb --input 'reviews/*.parquet' --output labels --engine ray
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.piped import PipedLines
        from slmbench.cli.prediction_io import texts_from, trained_columns
        from slmbench.cli.prediction_output import check_output, classify_to
        from slmbench.cli.shards import in_shards, predict_in_shards
        from slmbench.common.errors import UsageError
        from slmbench.corpora.tables import TableFormat
        from slmbench.edge.runtime import RECORD, Classifier, usable_cores
        from slmbench.instruments.tuned import tuned_settings

        if texts and source:
            raise UsageError("give texts or --input, not both")
        for_shards = {
            name: value
            for name, value in (
                ("shard_rows", shard_rows),
                ("output_format", output_format),
                ("on_error", on_error),
                ("engine", engine),
            )
            if value is not None
        }
        if in_shards(source, output, asked=bool(for_shards)):
            if tuned:
                raise UsageError("--tuned is for one file; give --form and --threads for shards")
            given = {"form": form, "threads": threads, "workers": workers}
            more = {name: value for name, value in given.items() if value is not None}
            predict_in_shards(bundle, source, output, keep, {**reading, **for_shards, **more}, out)
            return
        if not (bundle / RECORD).is_file():
            from slmbench.records import BundleRecord, artefacts

            artefacts.read(bundle, BundleRecord)  # which says what it is instead, and what to do
        into, file = Path(output) if output else None, Path(source) if source else None
        kept = check_output(into, keep)
        options = {"form": form, "threads": threads, "workers": workers}
        given = {name: value for name, value in options.items() if value is not None}
        found = tuned_settings(bundle) if tuned else {}
        if not (texts or found or workers):
            # So many texts may come that only what answers many is loaded.
            given["workers"] = max(1, usable_cores() // (threads or 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # said below, as other warnings are
            classifier = Classifier(bundle, **{**found, **given})
        if classifier.notice is not None:
            out.warn(classifier.notice)
        if tuned and not found:
            out.warn(f"{bundle} was not tuned on this machine; --tuned has no effect: run `slmbench tune {bundle}`")
        text_column = reading.pop("text_column", None)
        if reading and file is None:
            raise UsageError("--delimiter, --encoding and --header are for a table: name it with --input")
        layout = TableFormat(**reading)
        piped = None if texts or file else PipedLines(sys.stdin.buffer)
        found_texts = texts_from(texts, file, piped, text_column, trained_columns(bundle), layout, kept, out)
        classify_to(into, classifier, found_texts, kept, out, piped)
        if into is not None:
            out.say(f"written to {into}")
