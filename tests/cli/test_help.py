"""Help: instant, and with an example."""

import json
import os
import re
import subprocess
import sys

import pytest
from cli_helpers import COMMANDS, run
from typer.main import get_command

import slmbench
from slmbench.cli.app import app
from slmbench.cli.commands import PANELS
from slmbench.methods.known_methods import METHODS

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
    shown = re.findall(r"^│ ([a-z]+) ", result.stdout, re.MULTILINE)
    assert sorted(shown) == sorted(COMMANDS)
    # The main path comes first, in its order.
    assert shown[:8] == ["decide", "fetch", "finetune", "fewshot", "export", "profile", "compare", "predict"]
    assert "slmbench compare --recipe quickstart" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_line_of_a_command_is_the_first_paragraph_of_its_own_help(command):
    (line,) = [lines[command] for lines in PANELS.values() if command in lines]
    assert get_command(app).commands[command].help.partition("\n\n")[0] == line


def test_the_help_of_the_program_needs_no_command_and_no_rich():
    script = """
import json, sys
from slmbench.cli.app import app
shown, sys.stdout = sys.stdout, sys.stderr
try:
    app(["--help"])
except SystemExit as stop:
    assert stop.code == 0
json.dump(sorted(sys.modules), shown)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"slmbench.cli.app", "typer"} <= loaded
    assert {f"slmbench.cli.{command}" for command in COMMANDS} & loaded == set()
    assert {"rich", "slmbench.methods", "slmbench.compare", "importlib.metadata"} & loaded == set()


def test_where_there_are_no_boxes_the_help_of_the_program_is_ascii():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:replace", "COLUMNS": "70"}
    words = [sys.executable, "-m", "slmbench.cli.app", "--help"]
    shown = subprocess.run(words, capture_output=True, text=True, env=environment, check=True).stdout
    assert re.findall(r"^\| ([a-z]+) ", shown, re.MULTILINE)[0] == "decide"
    assert {len(line) for line in shown.splitlines() if line.startswith(("|", "+"))} == {70}


def parameters(command):
    return [one for one in get_command(app).commands[command].params if not getattr(one, "hidden", False)]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_parameter_has_a_help_text_and_a_shown_default(command):
    for one in parameters(command):
        name = f"{command} {one.opts[0]}"
        assert one.help and one.help.endswith("."), name
        assert "[" not in one.help, f"{name}: rich takes square brackets for markup; a default goes into show_default"
        # A flag is off unless it is given; of the others one sees what happens where they are not given.
        shown = one.required or getattr(one, "is_flag", False) or isinstance(one.show_default, str)
        assert shown or one.default not in (None, ""), f"{name} has no default that shows"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_flag_is_off_unless_given(command):
    assert not [one.opts[0] for one in parameters(command) if getattr(one, "is_flag", False) and one.default]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_its_options_by_example(command):
    result = run(command, "--help")

    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:")[2].partition("╭")[0]
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
from slmbench.methods.known_methods import METHODS
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


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_ends_with_the_options_of_the_output(command):
    panels = re.findall(r"^╭─ (.+?) ─", run(command, "--help").stdout, re.MULTILINE)
    assert panels[-1] == "Output"
    assert len(panels) == len(set(panels))


def options_in(*words):
    return set(re.findall(r"^│ (?:\*  *)?(--[a-z-]+)", run(*words).stdout, re.MULTILINE))


def test_the_help_of_a_method_shows_its_own_options_with_its_defaults():
    usual, lora, tfidf = (
        options_in("finetune", *words, "--help") for words in ((), ("--lora",), ("--method=tfidf",))
    )
    assert {"--model", "--corpus", "--epochs", "--teacher", "--output"} <= usual
    assert "--lora-r" not in usual and "--latents" not in usual
    assert "--lora-r" in lora and "--latents" not in lora
    assert "--select-by" in tfidf and "--epochs" not in tfidf
    # Where there is no default method, those that several have.
    some, cloze = options_in("fewshot", "--help"), options_in("fewshot", "--method", "cloze", "--help")
    own = {option.flag for option in METHODS["cloze"].options}
    assert {"--method", "--corpus"} <= some and not own <= some
    assert own <= cloze
    # Each other option is one step away.
    assert "--method NAME --help" in " ".join(run("finetune", "--help").stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_is_cut_off_at_80_columns_and_the_help_has_room(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    lines = run(command, "--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if re.match(r"│ [^ ]*…", line)]
    assert len(lines) < 190
