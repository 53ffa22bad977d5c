"""``slmbench tune``: find the fastest way to run a bundle on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output


def tune(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    time_limit: Annotated[float, typer.Option("--time-limit", help="Maximum sampling time (s).")] = 60.0,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Find the form, threads and token budget with which a bundle is fastest on this machine.

    The result is kept in the cache folder for this bundle and this kind of machine; `slmbench predict --tuned` and
    apps (slmbench.tuned_settings) use it.

    Examples:
      slmbench tune exported/bert-tiny-imdb
      slmbench tune exported/bert-tiny-imdb --time-limit 20 --json
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.profiles import tuning_summary
        from slmbench.instruments.tuned import tuning_path
        from slmbench.profiling.tuning import tune as find_fastest

        record = find_fastest(bundle, time_limit_s=time_limit, command=out.command, progress=out)
        then = ("predict", bundle, "--tuned", "A superb film.")
        out.result(record.to_json(), *tuning_summary(record), written=tuning_path(record.seal), then=then)
