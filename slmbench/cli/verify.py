"""``slmbench verify``: does a bundle give the same answers here as where it was exported?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import command_output, to_json

if TYPE_CHECKING:
    from slmbench.records import VerificationRecord


def verify(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Bundle folders, or folders of bundles.", metavar="BUNDLE", show_default="everything in exported/"
        ),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option("--form", help="Form to check, such as int8; can be repeated.", show_default="all of a bundle"),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            help="PEM file of a public Ed25519 key: fail unless the bundle is signed with its private one.",
            show_default="signatures are not looked at",
        ),
    ] = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Check a bundle's files and run its fixed texts on this machine; exit status 1 when the answers differ.

    Needs the base install only, so that it runs on the device itself.

    Examples:
      slmbench verify exported/bert-tiny-imdb
      slmbench verify --form int8
      slmbench verify exported/bert-tiny-imdb --public-key public.pem
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.next_step import after_path
        from slmbench.cli.views.bundles import verification_summary
        from slmbench.common.errors import SlmbenchError
        from slmbench.common.places import BUNDLES
        from slmbench.evaluation.verify import verify as replay
        from slmbench.records import BundleRecord, artefacts

        folders = artefacts.find(bundles or [BUNDLES], BundleRecord)
        records = [
            replay(folder, forms=form, public_key=public_key, command=out.command, progress=out) for folder in folders
        ]
        document = {
            "schema": "slmbench.verifications/1",
            "agrees": all(record.agrees for record in records),
            "verifications": [record.model_dump(mode="json", by_alias=True) for record in records],
        }
        parts = [part for record in records for part in verification_summary(record)]
        failed = [record for record in records if not record.agrees]
        then = after_path(folders[0]) if len(folders) == 1 else ("profile", *(bundles or ()))
        out.result(to_json(document), *parts, then=() if failed else then)
        if failed:
            raise SlmbenchError("; ".join(_sentences(failed)))


def _sentences(failed: Sequence[VerificationRecord]) -> list[str]:
    """Describe the failures: bundles whose files differ but whose answers agree, and bundles whose answers differ."""
    changed = [one.name for one in failed if all(form.agrees for form in one.forms.values())]
    others = [one.name for one in failed if one.name not in changed]
    sentences = []
    if changed:
        sentences.append(
            f"{', '.join(changed)}: the answers agree but the files are not those that were exported: copy the bundle"
            " again, or remove what was added to its folder"
        )
    if others:
        sentences.append(
            f"{', '.join(others)}: the answers here differ from those on the exporting machine: copy the bundle"
            " again, or export on a machine like this one"
        )
    return sentences
