"""``slmbench sign``: sign bundles, so that others can check who made them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output, to_json


def sign(
    bundles: Annotated[
        list[Path],
        typer.Argument(help="Bundle folders, or folders of bundles; of a cascade its own.", metavar="BUNDLE"),
    ],
    key: Annotated[Path, typer.Option("--key", help="PEM file of a private Ed25519 key.")],
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Check the files of bundles and write a signature, bundle.sig, into each.

    The public key of the pair is for those who run `slmbench verify BUNDLE --public-key KEY`. A key with a password
    needs the environment variable SLMBENCH_KEY_PASSWORD.

    Examples:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out public.pem
      slmbench sign exported/bert-tiny-imdb --key key.pem
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.edge.runtime import SIGNATURE
        from slmbench.export.signing import sign as sign_bundle
        from slmbench.records import BundleRecord, artefacts

        signed = {folder: sign_bundle(folder, key, progress=out) for folder in artefacts.find(bundles, BundleRecord)}
        document = {
            "schema": "slmbench.signatures/1",
            "signatures": [
                {"name": record.name, "seal": record.seal, "file": str(folder / SIGNATURE)}
                for folder, record in signed.items()
            ],
        }
        written = ", ".join(str(folder / SIGNATURE) for folder in signed)
        out.result(to_json(document), written=written)
