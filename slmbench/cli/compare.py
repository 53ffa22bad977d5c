"""``slmbench compare``: decide what to ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output


def compare(
    ctx: typer.Context,
    profiles: Annotated[
        list[Path] | None,
        typer.Argument(help="Profile files or folders of them; profiles/ when none."),
    ] = None,
    max_p95_ms: Annotated[
        float | None,
        typer.Option("--max-p95-ms", help="Longest p95 latency."),
    ] = None,
    max_memory_mb: Annotated[
        float | None,
        typer.Option("--max-memory-mb", help="Largest peak memory."),
    ] = None,
    max_size_mb: Annotated[
        float | None,
        typer.Option("--max-size-mb", help="Largest bundle."),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option("--min-accuracy", help="Lowest accuracy, as 0.85 or 85."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="Make and profile a recipe's ladder first: quickstart, study-000 to study-004, or a TOML file.",
        ),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Let starter models stand in for the recipe's hub models, and say so."),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Folder for comparison.json, report.md and the plots."),
    ] = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Compare profiles, mark the Pareto front, and say what to ship and why everything else lost.

    \b
    Examples:
      slmbench compare --recipe quickstart
      slmbench compare --recipe study-001 --offline
      slmbench compare --max-p95-ms 20 --min-accuracy 85
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.command_line import command_line
        from slmbench.cli.tables import decision_view
        from slmbench.compare import Constraints
        from slmbench.compare import compare as decide
        from slmbench.errors import UsageError

        constraints = Constraints(
            max_p95_ms=max_p95_ms,
            max_memory_mb=max_memory_mb,
            max_size_mb=max_size_mb,
            min_accuracy=min_accuracy,
        )
        report = report or Path("comparisons") / (
            (Path(recipe).stem + ("-offline" if offline else "")) if recipe else "latest"
        )
        if recipe is not None:
            if profiles:
                raise UsageError("give profiles or --recipe, not both")
            from slmbench.recipes import run_recipe

            record = run_recipe(
                recipe,
                offline=offline,
                constraints=constraints,
                report_dir=report,
                command=command_line(ctx),
                progress=out,
            )
        else:
            if offline:
                raise UsageError("--offline goes with --recipe")
            record = decide(
                profiles or None,
                constraints=constraints,
                report_dir=report,
                command=command_line(ctx),
                progress=out,
            )
        out.result(record.to_json(), *decision_view(record, report))
