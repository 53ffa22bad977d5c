"""``slmbench export``: make a bundle of a run and check every form of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output
from slmbench.export.forms import (
    BUILTIN_FORMS,
    DEFAULT_CALIBRATION,
    DEFAULT_FORMS,
    DEFAULT_MAX_ACCURACY_DROP,
    CalibrationMethod,
)


def export(
    run: Annotated[Path, typer.Argument(help="The run folder, such as runs/minilm-l6-full-imdb.")],
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            help=f"Form to make: {', '.join(form.name for form in BUILTIN_FORMS)}, a form of an installed package, or"
            " all; can be repeated.",
            show_default=" and ".join(DEFAULT_FORMS),
        ),
    ] = None,
    max_accuracy_drop: Annotated[
        float,
        typer.Option(
            "--max-accuracy-drop",
            parser=opt.share_parser(),
            metavar="<percent>",
            help="Maximum loss of accuracy against fp32, such as 1% (0.01: the same, as a fraction).",
            show_default=f"{DEFAULT_MAX_ACCURACY_DROP:.0%}",
        ),
    ] = DEFAULT_MAX_ACCURACY_DROP,
    max_class_drop: Annotated[
        float | None,
        typer.Option(
            "--max-class-drop",
            parser=opt.share_parser(),
            metavar="<percent>",
            help="Maximum loss of a label's recall against fp32, such as 10% (0.1: the same, as a fraction); the"
            " same limit holds for macro-F1.",
            show_default="10 x --max-accuracy-drop",
        ),
    ] = None,
    accept_undecided: Annotated[
        bool,
        typer.Option(
            "--accept-undecided",
            help="Accept forms also where the test reviews are too few to show that they lose less.",
        ),
    ] = False,
    calibration: Annotated[
        CalibrationMethod,
        typer.Option("--calibration", help="How the activation ranges of int8-static are found."),
    ] = DEFAULT_CALIBRATION.method,
    calibration_reviews: Annotated[
        int,
        typer.Option("--calibration-reviews", help="Number of reviews that calibrate int8-static."),
    ] = DEFAULT_CALIBRATION.reviews,
    calibration_corpus: Annotated[
        str | None,
        typer.Option(
            "--calibration-corpus",
            help="Texts that calibrate int8-static instead: a corpus that needs no labels.",
            show_default="the training reviews",
        ),
    ] = None,
    with_tokenizer: Annotated[
        bool,
        typer.Option("--with-tokenizer", help="Also write one file with the tokenizer inside: text in, label out."),
    ] = False,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            help="PEM file of a private Ed25519 key: sign the bundle with it (see slmbench sign).",
            show_default="no signature",
        ),
    ] = None,
    output: opt.OutputFolder = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Export a run to ONNX forms, each checked on the run's own test reviews.

    Examples:
      slmbench export runs/minilm-l6-full-imdb
      slmbench export runs/minilm-l6-full-imdb --form int8 --max-accuracy-drop 0.5%
      slmbench export runs/minilm-l6-full-imdb --form all
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.next_step import after_bundle
        from slmbench.cli.views.bundles import bundle_summary
        from slmbench.export import FORMS, Calibration
        from slmbench.export import export as make_bundle

        record = make_bundle(
            run,
            forms=FORMS.names if "all" in (form or ()) else form or DEFAULT_FORMS,
            max_accuracy_drop=max_accuracy_drop,
            max_class_drop=max_class_drop,
            accept_undecided=accept_undecided,
            calibration=Calibration(calibration, calibration_reviews, calibration_corpus),
            with_tokenizer=with_tokenizer,
            sign=sign,
            output=output,
            command=out.command,
            progress=out,
        )
        out.result(
            record.to_json(), *bundle_summary(record), written=record.path, then=after_bundle(record, record.path)
        )
