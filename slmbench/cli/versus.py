"""``slmbench versus``: measure two bundles alternately and say which is faster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import measured as shared
from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output
from slmbench.common.errors import InconclusiveError, SlmbenchError
from slmbench.common.formatting import minutes
from slmbench.common.places import PROFILES


def versus(
    first: Annotated[str, typer.Argument(help="Bundle folder, or BUNDLE:FORM.", metavar="A")],
    second: Annotated[str, typer.Argument(help="The baseline: a bundle folder, or BUNDLE:FORM.", metavar="B")],
    fail_if_slower: Annotated[
        float | None,
        typer.Option(
            "--fail-if-slower",
            parser=opt.parse_percentage,
            metavar="<percent>",
            help="Exit with status 1 when A is slower than B by more than this, such as 5% (5: the same); with 3"
            " when the measurements do not settle it.",
            show_default="never fails",
        ),
    ] = None,
    device: shared.Device = "cpu",
    form: Annotated[
        str | None,
        typer.Option(
            "--form",
            help="Form of bundles that are given without one.",
            show_default="the one that predict would choose",
            rich_help_panel=shared.WHAT,
        ),
    ] = None,
    backend: shared.BundleBackendName = "onnxruntime",
    threads: shared.Threads = None,
    processes: Annotated[
        int,
        typer.Option("--processes", help="Pairs of fresh processes.", rich_help_panel=shared.HOW_LONG),
    ] = 6,
    time_limit: Annotated[
        float, typer.Option("--time-limit", help="Maximum sampling time (s).", rich_help_panel=shared.HOW_LONG)
    ] = 20.0,
    output: shared.RecordsFolder = PROFILES,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure two bundles alternately, so that disturbances affect both, and say which is faster.

    Examples:
      slmbench versus exported/new exported/old
      slmbench versus exported/new exported/old --fail-if-slower 5%
      slmbench versus exported/bert-tiny-imdb:int8 exported/bert-tiny-imdb:fp32
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.next_step import after_path
        from slmbench.cli.views.profiles import versus_summary
        from slmbench.profiling import ProfileOptions
        from slmbench.profiling.versus import versus as measure
        from slmbench.statistics.clusters import MIN_CLUSTERS

        options = ProfileOptions(
            forms=(form,) if form else None,
            device=device,
            backend=backend,
            threads=threads,
            processes=processes,
            time_limit_s=time_limit,
        )
        record = measure(first, second, options, output=output, command=out.command, progress=out)
        then = after_path(Path(first if Path(first).is_dir() else first.rpartition(":")[0]))
        out.result(record.to_json(), *versus_summary(record), written=output, then=then)
        result = "pass" if fail_if_slower is None else record.gate(fail_if_slower)
        if fail_if_slower is not None and result != "pass":
            allowed = f"{record.sentence}; --fail-if-slower allows {1 + fail_if_slower:.3f}×"
            if result == "fail":
                raise SlmbenchError(allowed)
            if record.ratio.ci95 is None and len(record.pairs) < MIN_CLUSTERS:
                raise InconclusiveError(
                    f"{allowed}, which this does not settle: give --processes {MIN_CLUSTERS} or more"
                )
            more = record.minutes_to_settle(fail_if_slower)
            if more is None:
                raise InconclusiveError(
                    f"{allowed}, which one session does not settle, however long: sessions of this machine differ by"
                    " more. Each `slmbench profile` stores one; those stored make the interval as wide as they differ"
                )
            raise InconclusiveError(
                f"{allowed}, which this does not settle: about {minutes(more)} more of sampling would"
            )
