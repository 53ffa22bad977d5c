"""``slmbench evaluate``: evaluate a finished classifier on other reviews, or group runs over several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.corpus_options import FOR_TESTING, reads_corpus
from slmbench.cli.output import Output, command_output
from slmbench.common.errors import UsageError
from slmbench.methods.declarations.shared import parse_label_map, parse_size


@reads_corpus(*FOR_TESTING)
def evaluate(
    subjects: Annotated[
        list[Path], typer.Argument(metavar="RUN|BUNDLE", help="A run or bundle folder; several runs give a table.")
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus",
            help="Corpus to evaluate on, all of it unless --test-size is given.",
            show_default="the test reviews of the run",
            rich_help_panel=opt.CORPUS,
        ),
    ] = None,
    test_size: Annotated[
        Any,
        typer.Option(
            "--test-size",
            parser=opt.naming_the_option(parse_size),
            metavar="<int|all>",
            help="Size of a stratified sample of the corpus, or all.",
            show_default="all",
            rich_help_panel=opt.CORPUS,
        ),
    ] = None,
    label_map: Annotated[
        Any,
        typer.Option(
            "--label-map",
            parser=opt.naming_the_option(parse_label_map),
            metavar="<label=label,…>",
            help="Labels of the corpus and what they mean to the classifier: spam=negative,ham=positive.",
            show_default="the labels are the same",
            rich_help_panel=opt.CORPUS,
        ),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--form", help="Form of a bundle.", show_default="the smallest accepted one")
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(
            "--markdown",
            help="File for the table of several runs as Markdown; - is standard output.",
            show_default="not written",
            rich_help_panel=opt.OUTPUT,
        ),
    ] = None,
    output: opt.OutputFolder = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    *,
    reading: dict[str, Any],
) -> None:
    """Evaluate a finished run or bundle on its own test reviews or on another corpus, or group runs by seed.

    Nothing is trained. Reviews of the corpus that were also trained on are left out. Several runs become a table:
    those that differ only in their seed are one row, with their mean accuracy and its interval.

    Examples:
      slmbench evaluate runs/bert-tiny-full-imdb
      slmbench evaluate runs/bert-tiny-full-imdb --corpus rotten-tomatoes
      slmbench evaluate exported/bert-tiny-imdb --corpus posts.csv --label-map hateful=negative,normal=positive
      slmbench evaluate runs/* --markdown table.md
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.next_step import after_path
        from slmbench.cli.views.evaluation import evaluation_view
        from slmbench.evaluation import evaluate as score
        from slmbench.evaluation import open_subject
        from slmbench.report import draw_evaluation

        if test_size is not None:
            reading["test_size"] = test_size
        if corpus is None and (reading or label_map):
            raise UsageError("--test-size, --label-map and the options of columns go with --corpus")
        if len(subjects) > 1:
            if corpus is not None or output is not None or form is not None:
                raise UsageError(
                    "--corpus, --form and --output go with one run or bundle; a pattern of files for --corpus has to"
                    " be quoted"
                )
            _show_table(subjects, markdown, out)
            return
        if markdown is not None:
            raise UsageError("--markdown writes the table of several runs: name more than one")
        subject = open_subject(subjects[0], form)
        record = score(
            subject,
            corpus,
            label_map=label_map,
            output=output,
            command=out.command,
            progress=out,
            **reading,
        )
        draw_evaluation(record, out)
        then = after_path(subject.folder)
        out.result(record.to_json(), *evaluation_view(record, subject.run), written=record.path, then=then)


def _show_table(folders: list[Path], markdown: str | None, out: Output) -> None:
    from slmbench.cli.next_step import after_run
    from slmbench.cli.output import to_json
    from slmbench.cli.views.evaluation import seeds_table
    from slmbench.common.files import write_atomically
    from slmbench.evaluation import group_runs, read_runs
    from slmbench.evaluation.run_tables import document_of, markdown_of

    if markdown == "-" and out.as_json:
        raise UsageError("--json and --markdown - contradict each other: both write to stdout")
    tables = group_runs(read_runs(folders, out))
    if markdown == "-":
        out.line(markdown_of(tables).rstrip("\n"))
        return
    if markdown is not None:
        write_atomically(Path(markdown), markdown_of(tables))
        out.say(f"table in {markdown}")
    best = max((group for table in tables for group in table.groups), key=lambda group: group.accuracy)
    out.result(to_json(document_of(tables)), *seeds_table(tables), then=after_run(best.first))
