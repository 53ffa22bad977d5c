"""The ``slmbench`` program, wired; it begins in ``slmbench.cli.entry``."""

from __future__ import annotations

from typing import Annotated

import typer

from slmbench.cli.commands import HELP_NAMES
from slmbench.cli.program import Program
from slmbench.common.version import __version__

app = typer.Typer(
    cls=Program,
    name="slmbench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which text classifier, in which form, should I ship on this hardware?

    fetch → finetune or fewshot → export → profile → compare → predict, each command on the output of the one before.
    The whole path in one command: slmbench compare --recipe quickstart
    """


def main() -> None:
    """Run the program."""
    app(prog_name="slmbench")


if __name__ == "__main__":
    main()
