"""``slmbench profile``: measure bundles, or runs in torch, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import measured as shared
from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output
from slmbench.common.places import PROFILES


def profile(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Bundle folders, or folders of bundles. With --backend torch: runs, or folders of runs.",
            metavar="BUNDLE|RUN",
            show_default="everything in exported/ (torch: runs/)",
        ),
    ] = None,
    device: shared.Device = "cpu",
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            help="Form to measure, such as int8; can be repeated. With --backend torch: fp32, bf16 or fp16 (CUDA),"
            " each also with -compile or -graphs (CUDA) added.",
            show_default="all forms of a bundle; with torch each precision that the device computes in hardware",
            rich_help_panel=shared.WHAT,
        ),
    ] = None,
    backend: shared.BackendName = "onnxruntime",
    threads: shared.Threads = None,
    scenario: Annotated[
        shared.Scenario,
        typer.Option(
            "--scenario",
            help="single: one review at a time; offline: batches; server: reviews that arrive at random.",
            rich_help_panel=shared.SCENARIO,
        ),
    ] = "single",
    batch_tokens: Annotated[
        int,
        typer.Option(
            "--batch-tokens", help="Maximum tokens per batch, padding included.", rich_help_panel=shared.SCENARIO
        ),
    ] = 2048,
    qps: Annotated[
        float | None,
        typer.Option(
            "--qps",
            help="Reviews that arrive per second in the server scenario.",
            show_default="none",
            rich_help_panel=shared.SCENARIO,
        ),
    ] = None,
    max_p95_ms: Annotated[
        float | None,
        typer.Option(
            "--max-p95-ms",
            help="Server scenario without --qps: find the highest rate whose p95 latency stays within this (ms).",
            show_default="none",
            rich_help_panel=shared.SCENARIO,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            help="Server scenario with --qps: measure the service there, which `slmbench serve BUNDLE` started.",
            show_default="a process of its own",
            rich_help_panel=shared.SCENARIO,
        ),
    ] = None,
    sustained: Annotated[
        float | None,
        typer.Option(
            "--sustained",
            help="Then work for so many seconds without a pause, and trace time, clock and temperature.",
            show_default="no",
            rich_help_panel=shared.SCENARIO,
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            "--grid",
            help="Carbon intensity of electricity: a number (gCO2e/kWh), or a country's code such as DEU.",
            show_default="no carbon is computed",
            rich_help_panel=shared.WHAT,
        ),
    ] = None,
    processes: shared.Processes = 5,
    sessions: Annotated[
        int,
        typer.Option(
            "--sessions",
            help="Sessions that the processes are split over, --session-gap apart.",
            rich_help_panel=shared.HOW_LONG,
        ),
    ] = 1,
    session_gap: Annotated[
        float,
        typer.Option("--session-gap", help="Pause between sessions (min).", rich_help_panel=shared.HOW_LONG),
    ] = 30.0,
    time_limit: shared.TimeLimit = 20.0,
    output: shared.RecordsFolder = PROFILES,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure latency, throughput, memory, cold start and energy of bundles, each form in fresh processes.

    Needs the base install only, so that it runs on the device itself; --backend torch needs the train extra.

    Examples:
      slmbench profile --device cpu
      slmbench profile exported/bert-tiny-imdb --form int8 --threads 1
      slmbench profile exported/bert-tiny-imdb --backend openvino
      slmbench profile runs/bert-tiny-imdb --backend torch --form bf16 --form bf16-compile
      slmbench profile exported/bert-tiny-imdb --scenario server --max-p95-ms 50
      slmbench profile exported/bert-tiny-imdb --scenario server --qps 50 --url http://127.0.0.1:8080
      slmbench profile exported/bert-tiny-imdb --form int8 --sustained 600
      slmbench profile --processes 6 --sessions 2 --session-gap 60
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.profiles import profile_table
        from slmbench.profiling import ProfileOptions
        from slmbench.profiling import profile as measure

        options = ProfileOptions(
            forms=tuple(form) if form else None,
            device=device,
            backend=backend,
            threads=threads,
            processes=processes,
            sessions=sessions,
            session_gap_min=session_gap,
            time_limit_s=time_limit,
            scenario=scenario,
            batch_tokens=batch_tokens,
            qps=qps,
            max_p95_ms=max_p95_ms,
            url=url,
            sustained_s=sustained,
            grid=grid,
        )
        failures = shared.Failures()
        found = measure(bundles or [], options, output=output, command=out.command, progress=out, failed=failures.add)
        shared.report_measured(
            out,
            "profiles",
            found,
            failures,
            lambda records: [profile_table(records)],
            written=output,
            then=lambda _: ("compare",) if output == PROFILES else ("compare", output),
        )
