"""``slmbench profile``: measure bundles, or runs in torch, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output, to_json
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import PROFILES

#: Options of all profiles, and those that each kind has use for besides.
_OF_ALL = {"device", "threads", "output", "as_json", "quiet", "debug"}
_OF_ARCHITECTURES = {*_OF_ALL, "architecture", "random_weights", "dtype", "lengths", "batch_size", "bundles"}
_OF_BUNDLES = {*_OF_ALL, "bundles", "form", "backend", "processes", "time_limit"}
_OF_VERSUS = {*_OF_BUNDLES, "against", "fail_if_slower", "scenario"}
_OF_SWEEPS = {*_OF_BUNDLES, "sweep", "scenario"}
_OF_CELLS = {*_OF_BUNDLES, "scenario", "batch_tokens", "qps", "max_p95_ms", "grid"}

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import RenderableType

    from slmbench.cli.output import Output
    from slmbench.profiling import ProfileOptions
    from slmbench.profiling.cells import AnyCell
    from slmbench.records import Record


def profile(
    ctx: typer.Context,
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            help="Bundle folders, or a folder of bundles; exported/ when none. With --backend torch: runs; runs/."
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where to run: cpu or cuda.")] = "cpu",
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            help="Forms to measure; all of a bundle when not given. With --backend torch: fp32, bf16, fp16 (CUDA),"
            " each as it is or -compile or -graphs (CUDA); the native ones as they are when not given.",
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option("--backend", help="What runs it: onnxruntime, openvino, or torch, which takes runs."),
    ] = "onnxruntime",
    threads: Annotated[
        int | None,
        typer.Option("--threads", help="Threads inside one inference; the usable cores when not given."),
    ] = None,
    scenario: Annotated[
        str,
        typer.Option("--scenario", help="single (one review at a time), offline (batches) or server (arrivals)."),
    ] = "single",
    batch_tokens: Annotated[
        int | None, typer.Option("--batch-tokens", help="Token budget of a batch. [2048]")
    ] = None,
    qps: Annotated[
        float | None, typer.Option("--qps", help="Reviews that arrive a second, for --scenario server.")
    ] = None,
    max_p95_ms: Annotated[
        float | None,
        typer.Option("--max-p95-ms", help="Without --qps: find the highest rate whose p95 keeps to this."),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option("--grid", help="Carbon of electricity: gCO2e per kWh, or a country such as DEU."),
    ] = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="Measure a curve instead: over length, batch or threads.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Measure in turns with this BUNDLE or BUNDLE:FORM, and say which is faster."),
    ] = None,
    fail_if_slower: Annotated[
        str | None,
        typer.Option("--fail-if-slower", help="With --against: exit status 1 when slower by more, such as 5%."),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            help="Instead of bundles: a published configuration, such as google/flan-t5-xxl, without its weights.",
        ),
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Goes with --architecture: runtime and memory, no accuracy.")
    ] = False,
    dtype: Annotated[str, typer.Option("--dtype", help="With --architecture: fp32, bf16 or fp16.")] = "fp32",
    lengths: Annotated[
        str | None, typer.Option("--lengths", help="With --architecture: tokens of the reviews. [32,128,512]")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", help="With --architecture: reviews at once.")] = 1,
    processes: Annotated[
        int | None, typer.Option("--processes", help="Fresh processes a form. [5, with --against 6]")
    ] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", help="Seconds to sample a form for at the most.")
    ] = 20.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the records.")] = PROFILES,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure latency, throughput, memory, cold start and energy of bundles, each form in fresh processes.

    Needs the base install only, so that it runs on the device itself; --backend torch needs the train extra.

    \b
    Examples:
      slmbench profile --device cpu
      slmbench profile exported/bert-tiny-imdb --form int8 --threads 1
      slmbench profile exported/bert-tiny-imdb --backend openvino
      slmbench profile runs/bert-tiny-imdb --backend torch --form bf16 --form bf16-compile
      slmbench profile exported/new --against exported/old --fail-if-slower 5%
      slmbench profile exported/bert-tiny-imdb --scenario server --max-p95-ms 50
      slmbench profile --architecture google/flan-t5-xxl --random-weights --dtype bf16
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.choices import refuse_others
        from slmbench.cli.command_line import command_line
        from slmbench.profiling import ProfileOptions
        from slmbench.profiling.versus import PAIRS

        if random_weights != (architecture is not None):
            raise UsageError("--architecture NAME and --random-weights go together: no weights are fetched for it")
        if architecture is not None:
            if bundles:
                raise UsageError("give bundles or --architecture, not both")
            refuse_others(ctx, _OF_ARCHITECTURES, "--architecture")
            _architecture(
                out,
                architecture,
                {"batch_size": batch_size, "device": device, "dtype": dtype, "threads": threads},
                lengths,
                output,
                command_line(ctx),
            )
            return
        usual = ProfileOptions()
        options = ProfileOptions(
            forms=tuple(form) if form else None,
            device=device,
            backend=backend,
            threads=threads,
            processes=processes if processes is not None else PAIRS if against is not None else usual.processes,
            time_limit_s=time_limit,
            scenario=scenario,
            batch_tokens=usual.batch_tokens if batch_tokens is None else batch_tokens,
            qps=qps,
            max_p95_ms=max_p95_ms,
            grid=grid,
        )
        names = bundles or []
        if fail_if_slower is not None and against is None:
            raise UsageError("--fail-if-slower goes with --against BUNDLE")
        if against is not None and sweep is not None:
            raise UsageError("give --against or --sweep, not both")
        if against is not None:
            refuse_others(ctx, _OF_VERSUS, "--against")
            _against(out, names, against, options, fail_if_slower, output, command_line(ctx))
        elif sweep is not None:
            of_sweeps = _OF_SWEEPS - {"threads"} if sweep == "threads" else _OF_SWEEPS
            refuse_others(ctx, of_sweeps, f"--sweep {sweep}")
            _sweep(out, names, sweep, options, output, command_line(ctx))
        else:
            refuse_others(ctx, _OF_CELLS, "a profile without --architecture")
            _cells(out, names, options, output, command_line(ctx))


def _architecture(
    out: Output, name: str, choices: dict[str, Any], lengths: str | None, output: Path, command: Sequence[str]
) -> None:
    from slmbench.cli.views.architecture import architecture_view
    from slmbench.profiling.architectures import (
        ArchitectureOptions,
        find_architecture,
        profile_architecture,
    )

    if lengths is not None:
        try:
            choices["lengths"] = tuple(int(length) for length in lengths.split(","))
        except ValueError:
            raise UsageError(f"--lengths {lengths}: give numbers of tokens, such as 32,128,512") from None
    record = profile_architecture(
        find_architecture(name),
        ArchitectureOptions(**choices),
        output=output / "architectures",
        command=list(command),
        progress=out,
    )
    out.result(record.to_json(), *architecture_view(record))


def _cells(
    out: Output, bundles: Sequence[str], options: ProfileOptions, output: Path, command: Sequence[str]
) -> None:
    from slmbench.cli.views.profiles import profile_table
    from slmbench.profiling import profile as measure

    def view(records: Sequence[Any]) -> list[RenderableType]:
        return [profile_table(records)]

    failures = _Failures()
    paths = [Path(bundle) for bundle in bundles]
    found = measure(paths, options, output=output, command=command, progress=out, failed=failures.add)
    _tell(out, "profiles", found, failures, view)


def _sweep(
    out: Output, bundles: Sequence[str], axis: str, options: ProfileOptions, output: Path, command: Sequence[str]
) -> None:
    from slmbench.cli.views.profiles import sweep_summary
    from slmbench.profiling.sweeps import sweep

    def view(records: Sequence[Any]) -> list[RenderableType]:
        return [part for record in records for part in sweep_summary(record)]

    failures = _Failures()
    paths = [Path(bundle) for bundle in bundles]
    found = sweep(paths, axis, options, output=output, command=command, progress=out, failed=failures.add)
    _tell(out, "sweeps", found, failures, view)


def _against(
    out: Output,
    bundles: Sequence[str],
    other: str,
    options: ProfileOptions,
    fail_if_slower: str | None,
    output: Path,
    command: Sequence[str],
) -> None:
    from slmbench.cli.choices import percentage
    from slmbench.cli.views.profiles import versus_summary
    from slmbench.profiling.versus import versus

    if len(bundles) != 1:
        raise UsageError("--against measures one bundle against another: name one bundle before it")
    limit = percentage("--fail-if-slower", fail_if_slower)
    record = versus(bundles[0], other, options, output=output, command=command, progress=out)
    out.result(record.to_json(), *versus_summary(record))
    if limit is not None and record.slower_by_more_than(limit):
        raise SlmbenchError(f"{record.sentence}; --fail-if-slower allows {1 + limit:.3f}×")


class _Failures(list[dict[str, str]]):
    """Cells that could not be measured, each with the reason."""

    def add(self, cell: AnyCell, error: SlmbenchError) -> None:
        """Note one."""
        self.append({"bundle": cell.source.name, "form": cell.form, "reason": str(error)})


def _tell(
    out: Output,
    kind: str,
    found: Iterable[Record],
    failures: _Failures,
    view: Callable[[Sequence[Any]], list[RenderableType]],
) -> None:
    """Print what was measured and what could not be; nothing measured at all is an error."""
    records = list(found)
    reasons = [f"{failure['bundle']} {failure['form']}: {failure['reason']}" for failure in failures]
    if records:
        for reason in reasons:
            out.warn(f"not measured: {reason}")
    document = {
        "schema": f"slmbench.{kind}/1",
        kind: [record.model_dump(mode="json", by_alias=True) for record in records],
        "failed": list(failures),
    }
    out.result(to_json(document), *(view(records) if records else []))
    if not records:
        raise SlmbenchError(f"no form could be measured: {'; '.join(reasons)}")
