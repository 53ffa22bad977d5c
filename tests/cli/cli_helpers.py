"""Running the command line, in this process or in one of its own, and reading what it says."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

from typer.testing import CliRunner

from slmbench.cli.app import app

COMMANDS = (
    "decide",
    "fetch",
    "finetune",
    "adapt",
    "fewshot",
    "evaluate",
    "cascade",
    "export",
    "verify",
    "sign",
    "serve",
    "profile",
    "sweep",
    "versus",
    "tune",
    "architecture",
    "compare",
    "predict",
)


def run(*words, stdin=None):
    """Run a command in this process; what is neither success nor an exit status is raised."""
    result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class Said(NamedTuple):
    """What a process of its own said, named as the runner in this process names it."""

    exit_code: int
    stdout: str
    stderr: str


def run_apart(*words, stdin=None, cwd=None, **environment):
    """Run a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "slmbench.cli.app", *map(str, words)],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        # One thread is plenty for tiny models, and many are slow where other tests run beside this one.
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        timeout=180,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def json_of(result):
    """The one JSON document a successful command printed; anything beside it does not parse."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def json_lines(result):
    """The JSON lines a successful command printed."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def missing_keys(contract, document, where=""):
    """Keys of a contract that a document lacks; a contract is a set of keys or a dict of further contracts."""
    lacking = [f"{where}{key}" for key in contract if key not in document]
    if isinstance(contract, dict):
        for key, inner in contract.items():
            if inner and key in document:
                lacking += missing_keys(inner, document[key], f"{where}{key}.")
    return lacking
