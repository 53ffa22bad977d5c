"""``slmbench profile``: measure bundles on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output, to_json


def profile(
    ctx: typer.Context,
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(help="Bundle folders, or a folder of bundles; exported/ when none."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where to run: cpu.")] = "cpu",
    form: Annotated[
        list[str] | None,
        typer.Option("--form", help="Forms to measure; all of a bundle when not given."),
    ] = None,
    backend: Annotated[str, typer.Option("--backend", help="What runs the ONNX file: onnxruntime.")] = "onnxruntime",
    threads: Annotated[
        int | None,
        typer.Option("--threads", help="Threads inside one inference; the usable cores when not given."),
    ] = None,
    processes: Annotated[int, typer.Option("--processes", help="Fresh processes a form.")] = 3,
    time_limit: Annotated[
        float, typer.Option("--time-limit", help="Seconds to sample a form for at the most.")
    ] = 20.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the records.")] = Path("profiles"),
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure latency, throughput, memory and cold start of bundles, each form in fresh processes.

    Needs the base install only, so that it runs on the device itself.

    \b
    Examples:
      slmbench profile --device cpu
      slmbench profile exported/bert-tiny-imdb --form int8 --threads 1
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.command_line import command_line
        from slmbench.cli.tables import profile_table
        from slmbench.errors import SlmbenchError
        from slmbench.profiling import ProfileOptions
        from slmbench.profiling import profile as measure

        failures: list[dict[str, str]] = []
        records = list(
            measure(
                bundles or [],
                ProfileOptions(
                    forms=tuple(form) if form else None,
                    device=device,
                    backend=backend,
                    threads=threads,
                    processes=processes,
                    time_limit_s=time_limit,
                ),
                output=output,
                command=command_line(ctx),
                progress=out,
                failed=lambda cell, error: failures.append(
                    {"bundle": cell.bundle.name, "form": cell.form, "reason": str(error)}
                ),
            )
        )
        reasons = [f"{failure['bundle']} {failure['form']}: {failure['reason']}" for failure in failures]
        if records:
            for reason in reasons:
                out.warn(f"not measured: {reason}")
        document = {
            "schema": "slmbench.profiles/1",
            "profiles": [record.model_dump(mode="json", by_alias=True) for record in records],
            "failed": failures,
        }
        out.result(to_json(document), *([profile_table(records)] if records else []))
        if not records:
            raise SlmbenchError(f"no form could be measured: {'; '.join(reasons)}")
