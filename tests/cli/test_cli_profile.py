"""``slmbench profile``, ``sweep`` and ``versus``, as seen from the command line."""

import inspect
import json
import re
import shutil
from typing import get_args

import pytest
from cli_helpers import json_of, run
from factories import served

from slmbench.cli import measured
from slmbench.cli.profile import profile
from slmbench.cli.sweep import sweep
from slmbench.cli.versus import versus
from slmbench.cli.views.profiles import profile_table
from slmbench.profiling import ProfileOptions
from slmbench.profiling.profile_options import SCENARIOS
from slmbench.profiling.sweeps import AXES
from slmbench.profiling.versus import PAIRS

BRIEF = ("--processes", 1, "--time-limit", 0.2, "--threads", 1)


@pytest.fixture
def two(here, tiny_bundle):
    """A working folder with two bundles that are the same."""
    for name in ("old", "new"):
        shutil.copytree(tiny_bundle, here / name)
    return here


def test_two_bundles_in_turns(two):
    document = json_of(run("versus", "new", "old:fp32", "--form", "fp32", *BRIEF, "--json"))

    assert document["schema"] == "slmbench.versus/1"
    assert (document["first"]["form"], document["second"]["form"]) == ("fp32", "fp32")
    assert document["verdict"] in ("faster", "slower", "equivalent", "undecided")
    assert document["ratio"]["value"] > 0
    assert len(document["pairs"][0]["first_ms"]) == len(document["pairs"][0]["second_ms"])
    (written,) = (two / "profiles").glob("new.fp32-vs-old.fp32.*.json")
    assert json.loads(written.read_text(encoding="utf-8")) == document


def test_people_read_who_is_faster(two, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    shown = run("versus", "new", "old", *BRIEF)

    assert shown.exit_code == 0, shown.stderr
    assert re.search(r"review by review \d\.\d{3}×", shown.stdout)
    assert re.search(r"(undecided which of|equally fast|is (faster|slower) than)", shown.stdout)


@pytest.fixture
def slowed(two, monkeypatch):
    """Latencies made up: ``new`` takes 15 % longer than ``old``."""
    from slmbench.profiling import versus

    class Slowed:
        def __init__(self, task):
            self.pid = 1
            self.ms = 2.3 if task["folder"].endswith("new") else 2.0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def ask(self, request):
            return {"ms": [self.ms * (1 + row % 7 / 1000) for row in request["rows"]]}

    monkeypatch.setattr(versus, "MeasuredProcess", Slowed)


@pytest.mark.parametrize(("limit", "status"), [("5%", 1), ("5", 1), ("20%", 0)])
def test_slower_than_allowed_is_exit_status_1_and_a_sentence(two, slowed, limit, status):
    result = run("versus", "new", "old", "--fail-if-slower", limit, "--json")

    assert result.exit_code == status
    assert json.loads(result.stdout)["verdict"] == "slower"
    sentences = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(sentences) == status
    if status:
        assert re.match(r"error: .* is slower than .* 1\.150× .*; --fail-if-slower allows 1\.050×$", sentences[0])


def test_two_processes_settle_nothing_and_the_sentence_says_how_many_would(two, slowed):
    result = run("versus", "new", "old", "--fail-if-slower", "5%", "--processes", 2)
    assert result.exit_code == 3
    assert "--processes 3" in result.stderr


def test_the_other_way_round_nothing_fails(two, slowed):
    assert run("versus", "old", "new", "--fail-if-slower", "0%", "--quiet").exit_code == 0


def test_batches_and_arrivals(two, monkeypatch):
    offline = json_of(run("profile", "new", "--form", "int8", "--scenario", "offline", *BRIEF, "--json"))
    server = json_of(run("profile", "new", "--form", "int8", "--scenario", "server", "--qps", 80, *BRIEF, "--json"))

    assert offline["profiles"][0]["scenario"] == "offline"
    assert offline["profiles"][0]["throughput"]["reviews_per_second"] > 0
    assert server["profiles"][0]["load"]["qps"] == 80
    assert len(list((two / "profiles").iterdir())) == 2
    monkeypatch.setenv("COLUMNS", "160")
    shown = run("profile", "new", "--form", "int8", "--scenario", "server", "--qps", 80, *BRIEF)
    assert " at 80 " in shown.stdout


@pytest.mark.parametrize(("bound", "keeps"), [(1000, True), (1, False)])
def test_a_rate_is_said_to_keep_its_bound_only_where_it_did(bound, keeps):
    record = served(42, bound=bound, p50_ms=20.0)
    notes = "\n".join(profile_table([record]).notes)
    low, high = record.highest_rate_ci95 or (0, 0)
    facts = ("42 reviews/s", f"within {bound} ms", f"[{low:.3g}–{high:.3g}]")
    assert all(fact in notes for fact in facts) is keeps


def test_a_curve(two, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    document = json_of(run("sweep", "new", "--form", "int8", "--over", "batch", *BRIEF, "--json"))

    assert document["schema"] == "slmbench.sweeps/1"
    (record,) = document["sweeps"]
    assert record["best"] in [point["value"] for point in record["points"]]
    shown = run("sweep", "new", "--form", "int8", "--over", "batch", *BRIEF)
    assert "one at a time" in shown.stdout and " is best: " in shown.stdout


@pytest.mark.slow
def test_a_run_in_torch(here, tiny_run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shutil.copytree(tiny_run, here / "runs/tiny")

    document = json_of(run("profile", "--backend", "torch", "--form", "fp32", *BRIEF, "--json"))

    (record,) = document["profiles"]
    assert (record["backend"], record["form"], record["device"]) == ("torch", "torch-fp32", "cpu")
    assert record["served"]["differing"] == 0
    (written,) = (here / "profiles").iterdir()
    assert written.name.startswith("tiny.torch-fp32.torch-cpu-1t.")
    compared = json_of(run("compare", "--json"))
    assert [(row["form"], row["backend"]) for row in compared["rows"]] == [("torch-fp32", "torch")]
    report = (here / "comparisons/latest/report.md").read_text(encoding="utf-8")
    assert "of forms in torch, which are in no bundle, each profile measured it" in report


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("profile", "new", "--backend", "torch"), 2, "--backend torch: new is a bundle, not a run"),
        (("profile", "new", "--backend", "openvino", "--device", "cuda"), 2, "--device cuda"),
        (("sweep", "new", "--backend", "torch", "--over", "batch"), 2, "leave out --backend torch"),
        (("versus", "new", "old", "--backend", "torch"), 2, "leave out --backend torch"),
        (("versus", "new", "nowhere"), 2, "no bundle at nowhere"),
        (("versus", "new", "old", "--fail-if-slower", "a lot"), 2, "--fail-if-slower"),
        (("profile", "new", "--scenario", "server"), 2, "--scenario server needs --qps RATE"),
        (("sweep", "new", "--over", "threads", "--threads", 1), 2, "--threads cannot be given with --over threads"),
        (
            ("profile", "new", "--scenario", "server", "--max-p95-ms", "0.0001", "--form", "int8", *BRIEF),
            1,
            "no rate keeps the p95 within 0.0001 ms",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(two, words, status, says):
    result = run(*words, "--quiet")

    assert result.exit_code == status
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert says in sentence


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("new", "--sweep", "batch"), "slmbench sweep"),
        (("new", "--against", "old"), "slmbench versus"),
        (("new", "--against=old", "--fail-if-slower", "5%"), "slmbench versus"),
        (("--architecture", "google/flan-t5-xxl", "--random-weights", "--dtype", "bf16"), "slmbench architecture"),
    ],
)
def test_old_spellings_name_the_new_command(here, words, command):
    result = run("profile", *words)

    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert command in sentence


@pytest.mark.parametrize(
    "words",
    [
        ("sweep", "new", "--over", "length", "--grid", "380"),
        ("sweep", "new", "--over", "shoes"),
        ("versus", "new", "old", "--batch-tokens", 512),
        ("versus", "new"),
        ("profile", "new", "--dtype", "bf16"),
    ],
)
def test_a_command_takes_its_own_options_only(two, words):
    assert run(*words).exit_code == 2


def test_defaults_and_choices_are_those_of_the_library():
    defaults = ProfileOptions()
    names = {"time_limit": "time_limit_s", "form": "forms"}
    for command in (profile, sweep, versus):
        for parameter in inspect.signature(command).parameters.values():
            name = names.get(parameter.name, parameter.name)
            if hasattr(defaults, name) and (command, name) != (versus, "processes"):
                assert parameter.default == getattr(defaults, name), (command, name)
    assert inspect.signature(versus).parameters["processes"].default == PAIRS
    assert get_args(measured.Axis) == AXES
    assert get_args(measured.Scenario) == SCENARIOS
