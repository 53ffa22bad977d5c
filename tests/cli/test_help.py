"""Help: instant, and with an example."""

import json
import re
import subprocess
import sys

import pytest
from cli_helpers import COMMANDS, run

import slmbench

HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "pandas",
    "datasets",
    "numpy",
    "scipy",
    "onnxruntime",
    "optimum",
    "matplotlib",
)


def test_the_program_lists_its_commands_and_says_where_to_begin():
    result = run("--help")

    assert result.exit_code == 0
    assert all(re.search(rf"^  {command}\b", result.stdout, re.MULTILINE) for command in COMMANDS)
    assert "slmbench compare --recipe quickstart" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_its_options_by_example(command):
    result = run(command, "--help")

    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:")[2].partition("\n\n")[0]
    assert f"slmbench {command}" in examples
    # Written apart, not run together into a paragraph.
    assert len(examples.strip().splitlines()) >= 2
    assert {"--quiet", "--debug"} <= set(re.findall(r"--[a-z-]+", result.stdout))


def test_version():
    assert run("--version").stdout == f"{slmbench.__version__}\n"


def test_help_imports_nothing_heavy():
    script = f"""
import json, sys
from slmbench.cli.app import app
shown = sys.stdout
sys.stdout = sys.stderr
for words in [["--help"], *([name, "--help"] for name in {COMMANDS!r})]:
    try:
        app(words)
    except SystemExit as stop:
        assert stop.code == 0, words
json.dump(sorted(name for name in sys.modules if "." not in name), shown)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert set(HEAVY) & set(json.loads(done.stdout)) == set()
