"""The ``slmbench`` program: its commands, wired."""

from __future__ import annotations

from typing import Annotated

import typer

from slmbench import __version__
from slmbench.cli.adapt import adapt
from slmbench.cli.architecture import architecture
from slmbench.cli.cascade import cascade
from slmbench.cli.compare import compare
from slmbench.cli.evaluate import evaluate
from slmbench.cli.export import export
from slmbench.cli.fetch import fetch
from slmbench.cli.fewshot import fewshot
from slmbench.cli.finetune import finetune
from slmbench.cli.moved import ProfileCommand
from slmbench.cli.predict import predict
from slmbench.cli.profile import profile
from slmbench.cli.sweep import sweep
from slmbench.cli.tune import tune
from slmbench.cli.verify import verify
from slmbench.cli.versus import versus

app = typer.Typer(
    name="slmbench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
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

    The way: fetch > finetune > export > profile > compare, then predict. `slmbench compare --recipe quickstart`
    goes all of it.
    """


for command in (
    *(fetch, finetune, fewshot, adapt, evaluate, export, cascade, verify),
    *(profile, sweep, versus, tune, architecture, compare, predict),
):
    app.command(cls=ProfileCommand if command is profile else None)(command)


def main() -> None:
    """Run the program."""
    app()


if __name__ == "__main__":
    main()
