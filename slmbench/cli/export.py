"""``slmbench export``: make a bundle of a run and check every form of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output


def export(
    run: Annotated[Path, typer.Argument(help="The run folder, such as runs/minilm-l6-full-imdb.")],
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            help="fp32, fused, fp16, int8, int8-fused, int8-static, int8-weights, int4-weights, or all; may be given"
            " several times. [fp32 and int8]",
        ),
    ] = None,
    max_accuracy_drop: Annotated[
        float, typer.Option("--max-accuracy-drop", help="Refuse a form that loses more than this.")
    ] = 0.01,
    calibration: Annotated[
        str, typer.Option("--calibration", help="Ranges of int8-static: minmax, entropy or percentile.")
    ] = "minmax",
    calibration_reviews: Annotated[
        int, typer.Option("--calibration-reviews", help="Training reviews that give them.")
    ] = 128,
    with_tokenizer: Annotated[
        bool,
        typer.Option("--with-tokenizer", help="Also write one file with the tokenizer inside: text in, label out."),
    ] = False,
    output: opt.OutputFolder = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Export a run to ONNX forms, each checked on the run's own test reviews.

    Examples:
      slmbench export runs/minilm-l6-full-imdb
      slmbench export runs/minilm-l6-full-imdb --form int8 --max-accuracy-drop 0.005
      slmbench export runs/minilm-l6-full-imdb --form all
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.runs import bundle_summary
        from slmbench.export import DEFAULT_FORMS, FORM_PLANS, Calibration
        from slmbench.export import export as make_bundle

        record = make_bundle(
            run,
            forms=list(FORM_PLANS) if "all" in (form or ()) else form or DEFAULT_FORMS,
            max_accuracy_drop=max_accuracy_drop,
            calibration=Calibration(calibration, calibration_reviews),
            with_tokenizer=with_tokenizer,
            output=output,
            command=out.command,
            progress=out,
        )
        out.result(record.to_json(), *bundle_summary(record), written=record.path, then=("profile", record.path))
