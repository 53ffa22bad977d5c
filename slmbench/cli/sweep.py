"""``slmbench sweep``: measure a curve over lengths, token budgets or threads."""

from __future__ import annotations

from typing import Annotated

import typer

from slmbench.cli import measured as shared
from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output
from slmbench.common.errors import UsageError
from slmbench.common.places import BUNDLES, PROFILES


def sweep(
    over: Annotated[
        shared.Axis,
        typer.Option(
            "--over",
            help="Quantity to vary: length (tokens per review), batch (tokens per batch) or threads.",
            rich_help_panel=shared.WHAT,
        ),
    ],
    bundles: shared.Bundles = None,
    device: shared.Device = "cpu",
    form: shared.Form = None,
    backend: shared.BundleBackendName = "onnxruntime",
    threads: shared.Threads = None,
    processes: shared.Processes = 5,
    time_limit: shared.TimeLimit = 20.0,
    output: shared.RecordsFolder = PROFILES,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure how latency changes with review length, token budget or number of threads.

    Examples:
      slmbench sweep --over length
      slmbench sweep exported/bert-tiny-imdb --form int8 --over batch
      slmbench sweep exported/bert-tiny-imdb --over threads --time-limit 60
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.profiles import sweep_summary
        from slmbench.profiling import ProfileOptions
        from slmbench.profiling.sweeps import sweep as measure

        if over == "threads" and threads is not None:
            raise UsageError("--threads cannot be given with --over threads, which varies it")
        options = ProfileOptions(
            forms=tuple(form) if form else None,
            device=device,
            backend=backend,
            threads=threads,
            processes=processes,
            time_limit_s=time_limit,
        )
        failures = shared.Failures()
        found = measure(
            bundles or [], over, options, output=output, command=out.command, progress=out, failed=failures.add
        )
        shared.report_measured(
            out,
            "sweeps",
            found,
            failures,
            lambda records: [part for one in records for part in sweep_summary(one)],
            written=output,
            then=lambda records: ("tune", bundles[0] if bundles else BUNDLES / records[0].bundle),
        )
