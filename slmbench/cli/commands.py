"""The commands there are. The module of each is imported when it is used, so that the program's help is instant."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer

from slmbench.cli.command import Command, MethodCommand, ProfileCommand

#: By panel of the program's help: each command with its line there; a test compares it with the command's own help.
#: A command ``NAME`` is the function of that name in ``slmbench/cli/NAME.py``.
PANELS: dict[str, dict[str, str]] = {
    "Main path": {
        "decide": "Find what to ship for a file of labelled texts: a first answer within a minute, then better ones.",
        "fetch": "Fetch weights and reviews that need no model hub.",
        "finetune": "Fine-tune a classifier and test it on held-out reviews.",
        "fewshot": "Classify the test reviews with a pretrained model and few labelled examples, or none.",
        "export": "Export a run to ONNX forms, each checked on the run's own test reviews.",
        "profile": "Measure latency, throughput, memory, cold start and energy of bundles, "
        "each form in fresh processes.",
        "compare": "Compare profiles, mark the Pareto front, and say what to ship and why every other row lost.",
        "predict": "Classify texts: one JSON line or table row per text, in input order, in constant memory.",
    },
    "Beside it": {
        "adapt": "Adapt a language model to reviews without their labels; fine-tune from the checkpoint afterwards.",
        "evaluate": "Evaluate a finished run or bundle on its own test reviews or on another "
        "corpus, or group runs by seed.",
        "cascade": "Make one bundle of two: SMALL answers where it is sure enough, LARGE the rest.",
        "verify": "Check a bundle's files and run its fixed texts on this machine; "
        "exit status 1 when the answers differ.",
        "serve": "Serve a bundle over HTTP as text-embeddings-inference serves classifiers, until SIGTERM or Ctrl-C.",
        "sign": "Check the files of bundles and write a signature, bundle.sig, into each.",
        "tune": "Find the form, threads and token budget with which a bundle is fastest on this machine.",
        "sweep": "Measure how latency changes with review length, token budget or number of threads.",
        "versus": "Measure two bundles alternately, so that disturbances affect both, and say which is faster.",
        "architecture": "Measure runtime and memory of a published architecture with random "
        "weights; its accuracy stays unknown.",
    },
}
_CLASSES = {"profile": ProfileCommand, "finetune": MethodCommand, "fewshot": MethodCommand}

#: Of the program and of every command.
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class Commands(MutableMapping[str, Any]):
    """Commands by name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = dict.fromkeys(name for panel in PANELS.values() for name in panel)

    def __getitem__(self, name: str) -> Any:
        if self._made[name] is None:
            self._made[name] = _command(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __contains__(self, name: object) -> bool:
        return name in self._made


def _command(name: str) -> Any:
    """Import a command and make what typer runs."""
    alone = typer.Typer(rich_markup_mode="rich", add_completion=False, context_settings=HELP_NAMES)
    function = getattr(import_module(f"slmbench.cli.{name}"), name)
    alone.command(name, cls=_CLASSES.get(name, Command))(function)
    return typer.main.get_command(alone)
