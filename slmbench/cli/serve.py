"""``slmbench serve``: a bundle behind HTTP."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output, to_json
from slmbench.serving.options import ServeOptions

_ANSWERS, _LIMITS = "Answers", "What is refused"


def serve(
    bundle: Annotated[Path, typer.Argument(help="The bundle folder.")],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    form: Annotated[
        str | None,
        typer.Option(
            "--form",
            help="Form to run, such as int8.",
            show_default="the smallest accepted one",
            rich_help_panel=_ANSWERS,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Texts answered at the same time, each with one thread.",
            show_default="the usable cores; 1 of TF-IDF and static bundles",
            rich_help_panel=_ANSWERS,
        ),
    ] = None,
    batch_ms: Annotated[
        float,
        typer.Option(
            "--batch-ms",
            min=0,
            help="How long a worker may keep an answer to hand it back together with the next ones (ms).",
            rich_help_panel=_ANSWERS,
        ),
    ] = ServeOptions.batch_ms,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            help="PEM file of a public Ed25519 key: serve only bundles signed with its private one.",
            show_default="signatures are not looked at",
            rich_help_panel=_ANSWERS,
        ),
    ] = None,
    no_verify: Annotated[
        bool,
        typer.Option(
            "--no-verify",
            help="Serve a bundle without checking that it answers here as where it was exported.",
            rich_help_panel=_ANSWERS,
        ),
    ] = False,
    watch: Annotated[
        float,
        typer.Option(
            "--watch",
            min=0,
            help="Pause between looks at the bundle's folder for another bundle (s); 0 does not look.",
            rich_help_panel=_ANSWERS,
        ),
    ] = ServeOptions.watch_s,
    max_body_bytes: Annotated[
        int, typer.Option("--max-body-bytes", min=1, help="Largest body of a request.", rich_help_panel=_LIMITS)
    ] = ServeOptions.max_body_bytes,
    max_inputs: Annotated[
        int, typer.Option("--max-inputs", min=1, help="Most texts of a request.", rich_help_panel=_LIMITS)
    ] = ServeOptions.max_inputs,
    max_characters: Annotated[
        int, typer.Option("--max-characters", min=1, help="Longest text.", rich_help_panel=_LIMITS)
    ] = ServeOptions.max_characters,
    max_queue: Annotated[
        int,
        typer.Option(
            "--max-queue",
            min=1,
            help="Most texts, and most requests, at once.",
            rich_help_panel=_LIMITS,
        ),
    ] = ServeOptions.max_queue,
    drain: Annotated[
        float,
        typer.Option(
            "--drain",
            min=0,
            help="Time that requests in flight have once the service is asked to end (s).",
            rich_help_panel=_LIMITS,
        ),
    ] = ServeOptions.drain_s,
    no_access_log: Annotated[
        bool,
        typer.Option("--no-access-log", help="Log no requests; texts are never logged.", rich_help_panel=opt.OUTPUT),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print where it listens and what it serves as one JSON document on stdout.",
            rich_help_panel=opt.OUTPUT,
        ),
    ] = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Serve a bundle over HTTP as text-embeddings-inference serves classifiers, until SIGTERM or Ctrl-C.

    POST /predict takes {"inputs": TEXT or LIST}; GET /health, /info and /metrics tell how it is. When the folder
    holds another bundle that one is served, without a dropped request; a broken one leaves the old one serving.

    Examples:
      slmbench serve exported/bert-tiny-imdb
      slmbench serve exported/bert-tiny-imdb --form int8 --workers 2 --port 9000
      slmbench serve exported/bert-tiny-imdb --public-key public.pem --max-queue 100
      curl localhost:8080/predict -H 'content-type: application/json' -d '{"inputs": "A superb film."}'
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.serving import serve as run

        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(handlers=[handler], level=logging.WARNING)
        logging.getLogger("slmbench.serving").setLevel(logging.WARNING if quiet else logging.INFO)

        def started(url: str, info: dict[str, Any]) -> None:
            document = {"schema": "slmbench.service/1", "url": url, "info": info}
            human = f"serving {info['model_id']} {info['model_dtype']} at {url} (Ctrl-C ends it)"
            out.result(to_json(document), human)

        options = ServeOptions(
            form=form,
            workers=workers,
            public_key=public_key,
            verify=not no_verify,
            batch_ms=batch_ms,
            max_body_bytes=max_body_bytes,
            max_inputs=max_inputs,
            max_characters=max_characters,
            max_queue=max_queue,
            watch_s=watch,
            drain_s=drain,
            access_log=not no_access_log,
        )
        run(bundle, options, host=host, port=port, started=started)
