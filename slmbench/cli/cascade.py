"""``slmbench cascade``: a small model answers what it is sure of, a large one the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output

_DEFAULT_FORM = "the smallest accepted one of a bundle, fp32 of a run"


def cascade(
    small: Annotated[Path, typer.Argument(help="Bundle or run that answers first.")],
    large: Annotated[Path, typer.Argument(help="Bundle or run that answers where the first is unsure.")],
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            help="Minimum probability with which SMALL's label is kept.",
            show_default="chosen on labelled reviews",
        ),
    ] = None,
    max_routed: Annotated[
        float | None,
        typer.Option(
            "--max-routed",
            parser=opt.share_parser(),
            metavar="<percent>",
            help="Maximum share of reviews that the chosen threshold sends to LARGE, such as 20% (0.2: the same).",
            show_default="no limit",
        ),
    ] = None,
    small_form: Annotated[
        str | None, typer.Option("--small-form", help="Form of SMALL.", show_default=_DEFAULT_FORM)
    ] = None,
    large_form: Annotated[
        str | None, typer.Option("--large-form", help="Form of LARGE.", show_default=_DEFAULT_FORM)
    ] = None,
    validation_size: Annotated[
        int,
        typer.Option("--validation-size", help="Maximum number of unseen reviews that choose the threshold."),
    ] = 1000,
    profiles: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--profiles",
            help="Profiles of SMALL and LARGE: use their latencies instead of those measured here.",
            show_default="measured here",
        ),
    ] = None,
    output: opt.OutputFolder = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Make one bundle of two: SMALL answers where it is sure enough, LARGE the rest.

    The threshold is chosen on labelled reviews that neither was trained on, and evaluated on the test reviews.

    Examples:
      slmbench finetune --method tfidf --output runs/tfidf
      slmbench cascade runs/tfidf exported/bert-tiny-imdb
      slmbench cascade exported/bert-tiny exported/minilm-l6 --max-routed 20%
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cascade import CascadeOptions
        from slmbench.cascade import cascade as make_cascade
        from slmbench.cli.next_step import after_bundle, after_path
        from slmbench.cli.views.cascade import cascade_summary

        record = make_cascade(
            small,
            large,
            CascadeOptions(
                threshold=threshold,
                max_routed=max_routed,
                small_form=small_form,
                large_form=large_form,
                validation_size=validation_size,
                profiles=profiles,
            ),
            output=output,
            command=out.command,
            progress=out,
        )
        ships = any(form.accepted for form in record.forms.values())
        then = after_bundle(record, record.path) if ships else after_path(small)
        out.result(record.to_json(), *cascade_summary(record), written=record.path, then=then)
