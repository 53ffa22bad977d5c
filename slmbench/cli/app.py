"""The ``slmbench`` program: its commands, wired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from slmbench.cli.adapt import adapt
from slmbench.cli.architecture import architecture
from slmbench.cli.cascade import cascade
from slmbench.cli.compare import compare
from slmbench.cli.evaluate import evaluate
from slmbench.cli.export import export
from slmbench.cli.fetch import fetch
from slmbench.cli.fewshot import fewshot
from slmbench.cli.finetune import finetune
from slmbench.cli.predict import predict
from slmbench.cli.profile import profile
from slmbench.cli.program import Command, MethodCommand, ProfileCommand, Program
from slmbench.cli.sweep import sweep
from slmbench.cli.tune import tune
from slmbench.cli.verify import verify
from slmbench.cli.versus import versus
from slmbench.common.version import __version__

#: The commands by panel of the program's help.
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Main path": (fetch, finetune, fewshot, export, profile, compare, predict),
    "Beside it": (adapt, evaluate, cascade, verify, tune, sweep, versus, architecture),
}

app = typer.Typer(
    cls=Program,
    name="slmbench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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


for panel, commands in COMMANDS.items():
    for command in commands:
        cls = {profile: ProfileCommand, finetune: MethodCommand, fewshot: MethodCommand}.get(command, Command)
        app.command(cls=cls, rich_help_panel=panel)(command)


def main() -> None:
    """Run the program."""
    app(prog_name="slmbench")


if __name__ == "__main__":
    main()
