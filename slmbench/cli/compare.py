"""``slmbench compare``: decide what to ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output
from slmbench.common.places import COMPARISONS


def compare(
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
    max_joules: Annotated[
        float | None,
        typer.Option("--max-joules", help="Most energy for 1,000 reviews."),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option("--min-accuracy", help="Lowest accuracy, as 0.85 or 85."),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option("--pareto", help="Axes of the Pareto front, such as accuracy,p50,size. [accuracy and latency]"),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="An earlier profile or folder of them, or a row such as 'minilm-l6 int8', to hold rows against.",
        ),
    ] = None,
    fail_if_slower: Annotated[
        float | None,
        typer.Option(
            "--fail-if-slower",
            parser=opt.parse_percentage,
            metavar="<percent>",
            help="Exit with status 1 when a median latency exceeds the baseline's by more than this, such as 5%.",
            show_default="never fails",
        ),
    ] = None,
    fail_if_worse: Annotated[
        float | None,
        typer.Option(
            "--fail-if-worse",
            parser=opt.parse_percentage,
            metavar="<points>",
            help="Exit with status 1 when an accuracy is lower than the baseline's by more points than this, such as"
            " 0.5.",
            show_default="never fails",
        ),
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
        typer.Option("--report", help="Folder for report.html, report.md, comparison.json, rows.csv and the plots."),
    ] = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Compare profiles, mark the Pareto front, and say what to ship and why everything else lost.

    Examples:
      slmbench compare --recipe quickstart
      slmbench compare --recipe study-001 --offline
      slmbench compare --recipe quickstart --baseline profiles-of-main/ --fail-if-slower 5%
      slmbench compare --max-p95-ms 20 --min-accuracy 85
      slmbench compare --pareto accuracy,p50,size
      slmbench compare --baseline profiles-of-main/ --fail-if-slower 5% --fail-if-worse 0.5
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.decision import baseline_lines
        from slmbench.cli.views.runs import decision_view
        from slmbench.common.errors import SlmbenchError, UsageError
        from slmbench.compare import Baseline, Constraints, parse_axes, read_measurements
        from slmbench.compare import compare as decide
        from slmbench.report import check_report_dir, write_report

        constraints = Constraints(
            max_p95_ms=max_p95_ms,
            max_memory_mb=max_memory_mb,
            max_size_mb=max_size_mb,
            max_joules=max_joules,
            min_accuracy=min_accuracy,
        )
        axes = parse_axes(pareto) if pareto is not None else None
        if baseline is None and (fail_if_slower is not None or fail_if_worse is not None):
            raise UsageError("--fail-if-slower and --fail-if-worse need --baseline: a profile, a folder or a row")
        standard = Baseline(baseline, fail_if_slower, fail_if_worse) if baseline is not None else None
        report = report or COMPARISONS / (
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
                pareto=axes,
                baseline=standard,
                report_dir=report,
                command=out.command,
                progress=out,
            )
        else:
            if offline:
                raise UsageError("--offline goes with --recipe")
            check_report_dir(report)
            measured = read_measurements(profiles or None, out)
            record = decide(
                measured,
                constraints=constraints,
                pareto=axes,
                baseline=standard,
                command=out.command,
                progress=out,
            )
            write_report(record, measured.profiles, report, progress=out)
        out.result(record.to_json(), *decision_view(record, report), *baseline_lines(record), written=report)
        if record.baseline and record.baseline.failures:
            raise SlmbenchError("; ".join(record.baseline.failures))
