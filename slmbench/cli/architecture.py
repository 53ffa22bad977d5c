"""``slmbench architecture``: measure a published architecture without its weights."""

from __future__ import annotations

from typing import Annotated

import typer

from slmbench.cli import measured as shared
from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output
from slmbench.common.errors import UsageError
from slmbench.common.places import PROFILES


def architecture(
    name: Annotated[str, typer.Argument(help="Published configuration, such as google/flan-t5-xxl.")],
    device: shared.Device = "cpu",
    dtype: Annotated[
        shared.Dtype,
        typer.Option("--dtype", help="Number format of weights and activations.", rich_help_panel=shared.WHAT),
    ] = "fp32",
    lengths: Annotated[
        str, typer.Option("--lengths", help="Tokens per review, separated by commas.", rich_help_panel=shared.WHAT)
    ] = "32,128,512",
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="Reviews per batch.", rich_help_panel=shared.WHAT)
    ] = 1,
    threads: shared.Threads = None,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", help="Maximum sampling time per length (s).", rich_help_panel=shared.HOW_LONG),
    ] = 5.0,
    output: shared.RecordsFolder = PROFILES / "architectures",
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure runtime and memory of a published architecture with random weights; its accuracy stays unknown.

    No weights are fetched. What does not fit into the free memory is refused with the arithmetic. Needs the train
    extra.

    Examples:
      slmbench architecture distilbert-base-uncased
      slmbench architecture google/flan-t5-xxl --dtype bf16 --lengths 64,256
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.profiles import architecture_view
        from slmbench.profiling.architectures import ArchitectureOptions, find_architecture, profile_architecture

        try:
            tokens = tuple(int(length) for length in lengths.split(","))
        except ValueError:
            raise UsageError(f"--lengths {lengths}: give numbers of tokens, such as 32,128,512") from None
        options = ArchitectureOptions(
            lengths=tokens,
            batch_size=batch_size,
            device=device,
            dtype=dtype,
            threads=threads,
            time_limit_s=time_limit,
        )
        record = profile_architecture(
            find_architecture(name), options, output=output, command=out.command, progress=out
        )
        out.result(record.to_json(), *architecture_view(record), written=output, then=("finetune", "--model", name))
