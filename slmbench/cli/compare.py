"""``slmbench compare``: decide what to ship."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.derived import parameter, with_parameters
from slmbench.cli.output import command_output
from slmbench.common.places import COMPARISONS
from slmbench.compare.quantities import LIMITS

if TYPE_CHECKING:
    from slmbench.records import ComparisonRecord

#: Panels of the help.
LIMIT, RULE, GATE, RECIPE = "Limits and Pareto front", "What counts as equal", "Gate", "Recipe"

LIMIT_OPTIONS = [
    parameter(
        limit.name,
        float | None,
        typer.Option(
            limit.option,
            help=limit.help,
            show_default="no limit",
            rich_help_panel=LIMIT,
            parser=opt.share_parser("either") if limit.is_share else None,
            metavar="<percent>" if limit.is_share else None,
        ),
    )
    for limit in LIMITS.values()
]


@with_parameters(LIMIT_OPTIONS)
def compare(
    profiles: Annotated[
        list[Path] | None,
        typer.Argument(help="Profile files or folders of them.", show_default="profiles/"),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            "--pareto",
            help="Axes of the Pareto front, such as accuracy,p50,size; report.html offers all of them.",
            show_default="accuracy and p95 latency",
            rich_help_panel=LIMIT,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="Metric that decides, such as macro_f1 or that of an installed package.",
            show_default="accuracy",
            rich_help_panel=RULE,
        ),
    ] = None,
    model_margin: Annotated[
        float | None,
        typer.Option(
            "--model-margin",
            parser=opt.parse_points,
            metavar="<points>",
            help="Largest loss of accuracy between models that counts as none, such as 2% (2: the same, in points).",
            show_default="2%",
            rich_help_panel=RULE,
        ),
    ] = None,
    form_margin: Annotated[
        float | None,
        typer.Option(
            "--form-margin",
            parser=opt.parse_points,
            metavar="<points>",
            help="The same between a form and fp32 of its bundle.",
            show_default="1%",
            rich_help_panel=RULE,
        ),
    ] = None,
    time_margin: Annotated[
        float | None,
        typer.Option(
            "--time-margin",
            parser=opt.parse_percentage,
            metavar="<percent>",
            help="Largest excess of time that counts as none, such as 10% (10: the same).",
            show_default="10%",
            rich_help_panel=RULE,
        ),
    ] = None,
    accept_undecided: Annotated[
        bool,
        typer.Option(
            "--accept-undecided",
            help="Also ship a form when it is undecided whether it is as accurate as fp32 of its bundle.",
            rich_help_panel=RULE,
        ),
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="Compare every row with this: an earlier profile, a folder of profiles, or a row such as"
            " 'minilm-l6 int8'.",
            show_default="none",
            rich_help_panel=GATE,
        ),
    ] = None,
    fail_if_slower: Annotated[
        float | None,
        typer.Option(
            "--fail-if-slower",
            parser=opt.parse_percentage,
            metavar="<percent>",
            help="Maximum increase of the median latency over the baseline, such as 5% (5: the same); exit status 1"
            " above it, 3 when the measurements do not settle it.",
            show_default="no limit",
            rich_help_panel=GATE,
        ),
    ] = None,
    fail_if_worse: Annotated[
        float | None,
        typer.Option(
            "--fail-if-worse",
            parser=opt.parse_points,
            metavar="<points>",
            help="Maximum loss of accuracy against the baseline, such as 0.5% (0.5: the same, in points); exit status"
            " 1 above it, 3 when the measurements do not settle it.",
            show_default="no limit",
            rich_help_panel=GATE,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="Train, export and profile a recipe's ladder first: quickstart, study-000 to study-004, or a TOML"
            " file.",
            show_default="none",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline",
            help="Replace the recipe's hub models by starter models, and name the replacements.",
            rich_help_panel=RECIPE,
        ),
    ] = False,
    engine: Annotated[str | None, opt.engine("Train, export and profile", RECIPE)] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Folder for report.html, report.md, comparison.json, rows.csv and the plots; replaced whole.",
            show_default="comparisons/latest, or comparisons/RECIPE",
            rich_help_panel=opt.OUTPUT,
        ),
    ] = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    **limits: float | None,
) -> None:
    """Compare profiles, mark the Pareto front, and say what to ship and why every other row lost.

    Examples:
      slmbench compare --recipe quickstart
      slmbench compare --recipe study-001 --offline
      slmbench compare --recipe mine.toml --engine ray
      slmbench compare --recipe quickstart --baseline profiles-of-main/ --fail-if-slower 5%
      slmbench compare --max-p95-ms 20 --min-accuracy 85%
      slmbench compare --pareto accuracy,p50,size
      slmbench compare --baseline profiles-of-main/ --fail-if-slower 5% --fail-if-worse 0.5%
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.decision import decision_view
        from slmbench.common.errors import InconclusiveError, SlmbenchError, UsageError
        from slmbench.compare import Constraints, DecisionRule, RegressionGate, parse_axes, read_measurements
        from slmbench.compare import compare as decide
        from slmbench.report import check_report_dir, write_report

        constraints = Constraints(**limits)
        given = {
            "metric": metric,
            "model_margin": model_margin,
            "form_margin": form_margin,
            "time_margin": time_margin,
            "accept_undecided": accept_undecided or None,
        }
        rule: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        DecisionRule(**rule)
        axes = parse_axes(pareto) if pareto is not None else None
        if baseline is None and (fail_if_slower is not None or fail_if_worse is not None):
            raise UsageError("--fail-if-slower and --fail-if-worse need --baseline: a profile, a folder or a row")
        gate = RegressionGate(baseline, fail_if_slower, fail_if_worse) if baseline is not None else None
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
                rule=rule,
                pareto=axes,
                baseline=gate,
                report_dir=report,
                engine=engine,
                command=out.command,
                progress=out,
            )
        else:
            if offline or engine is not None:
                raise UsageError(f"--{'offline' if offline else 'engine'} goes with --recipe")
            check_report_dir(report)
            measured = read_measurements(profiles or None, out)
            record = decide(
                measured,
                constraints=constraints,
                rule=DecisionRule(**rule),
                pareto=axes,
                baseline=gate,
                command=out.command,
                progress=out,
            )
            write_report(record, measured.profiles, report, progress=out)
        out.result(record.to_json(), *decision_view(record, report), written=report, then=_next(record))
        if record.baseline and record.baseline.failures:
            raise SlmbenchError(*_listed("fail", record.baseline.failures))
        if record.baseline and record.baseline.inconclusive:
            raise InconclusiveError(*_listed("are inconclusive", record.baseline.inconclusive))


def _listed(what: str, sentences: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return one sentence as it is; several as details of how many there are."""
    if len(sentences) == 1:
        return sentences[0], ()
    return f"{len(sentences)} limits of the baseline {what}:", sentences


def _next(record: ComparisonRecord) -> tuple[str, ...]:
    """Return the words that run the recommended form, or make a bundle of a recommended run."""
    best, rows = record.recommended, [row for row in record.rows if row.recommended]
    if best is None or best.path is None:
        return ()
    if rows and rows[0].backend == "torch":
        return ("export", best.path)
    return ("predict", best.path, "--form", best.form, "A superb film.")
