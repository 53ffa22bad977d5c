"""The frame of the program: usage errors, interruption, completion, and what a log shows of progress."""

import os
import re
import shlex
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import factories
import pytest
from cli_helpers import json_of, run

import slmbench.cli.bars as bars
from slmbench.cli.next_step import after_bundle, after_run
from slmbench.cli.output import Output, command_output
from slmbench.records import write_record


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (("finetun",), ("'finetun'", "'finetune'")),
        (("profil", "exported"), ("'profil'", "'profile'")),
        (("zzz",), ("'zzz'", "slmbench --help")),
        (("--vers",), ("--vers", "--version")),
        (("evaluate", "run", "--lable-column", "x"), ("--lable-column", "'--label-column'")),
        (("evaluate", "run", "--zzz"), ("--zzz", "evaluate --help")),
        (("evaluate", "run", "--stars", "negativ"), ("--stars negativ", "drop, negative, neutral", "'negative'")),
        (("cascade", "a", "b", "--threshold", "high"), ("--threshold", "cascade --help")),
        (("export",), ("export --help",)),
    ],
)
def test_bad_usage_is_one_sentence_with_a_suggestion_or_where_to_look(here, words, facts):
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(fact in line for fact in facts)


@pytest.mark.parametrize("debug", [False, True])
def test_an_interruption_has_its_own_status(monkeypatch, here, debug):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("slmbench.starter.fetch", interrupted)
    result = run("fetch", "starter", *(["--debug"] if debug else []))
    assert result.exit_code == 130
    assert len(result.stderr.splitlines()) == 1


def test_debug_shows_the_traceback(here):
    with pytest.raises(Exception, match="nothere"):
        run("evaluate", "nothere", "--debug")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("slmbench fine", ["finetune"]),
        ("slmbench finetune --label-c", ["--label-column"]),
        ("slmbench finetune --model minilm", ["minilm-l6"]),
        ("slmbench finetune --corpus rot", ["rotten-tomatoes"]),
        ("slmbench finetune --method li", ["linear"]),
        ("slmbench evaluate run --stars ne", ["negative", "neutral"]),
    ],
)
def test_the_shell_completes_commands_options_and_values(typed, completed):
    script = "import slmbench.cli.app as program; program.main()"
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_SLMBENCH_COMPLETE": "complete_bash"}
    environment = {**os.environ, **words}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == completed


class Clock:
    """A clock that only moves when told to."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def told(total, unit, steps, clock, seconds, description="training"):
    said = []
    with bars.lines(said.append, description, total, unit) as task:
        for _ in range(steps):
            clock.now += seconds
            task.advance()
    return said


def test_a_log_has_a_line_for_each_of_a_few_steps(clock):
    said = told(3, "processes", 3, clock, 20)
    numbers = [" ".join(re.findall(r"\d+", line)) for line in said]
    assert numbers == ["1 3 20", "2 3 40", "3 3 60"]
    assert all("training" in line for line in said)


def test_a_log_of_many_steps_has_lines_that_become_seldom_and_never_stop(clock):
    said = told(1000, "reviews", 1000, clock, 0.5)
    seconds = [int(re.search(r"(\d+) s$", line)[1]) for line in said]
    assert seconds[:3] == [10, 30, 70]
    assert 9 <= len(said) <= 12
    assert max(later - earlier for earlier, later in pairwise(seconds)) <= 61
    assert "of 1,000 reviews" in said[1]


def test_a_log_of_quick_steps_is_short(clock):
    assert len(told(20, "cells", 20, clock, 1)) <= 4


def test_a_log_has_nothing_of_short_work(clock):
    assert told(1000, "reviews", 1000, clock, 0.004) == []


def test_a_log_has_a_line_for_each_epoch(clock):
    said = []
    with bars.lines(said.append, "training", None, "steps") as task:
        for epoch in (1, 2):
            clock.now += 5
            task.describe(f"epoch {epoch}: accuracy 0.8{epoch}")
    assert ["0.81" in said[0], "0.82" in said[1]] == [True, True]


def test_a_log_is_told_of_long_work_that_has_no_steps(monkeypatch):
    monkeypatch.setattr(bars, "QUIET_S", 0.05)
    monkeypatch.setattr(bars, "LINE_INTERVAL_S", 0.05)
    said = []
    with bars.lines(said.append, "exporting", None, ""):
        time.sleep(0.5)
    assert len(said) >= 4
    assert said[-1].startswith("exporting: done")


def test_work_that_fails_is_not_said_to_be_done(monkeypatch):
    monkeypatch.setattr(bars, "QUIET_S", 0.0)
    said = []
    with pytest.raises(KeyError, match="x"), bars.lines(said.append, "exporting", None, ""):
        raise KeyError("x")
    assert not [line for line in said if "done" in line]


@pytest.mark.parametrize("quiet", [False, True])
def test_piped_progress_is_lines_and_quiet_is_silent(capsys, monkeypatch, quiet):
    monkeypatch.setattr(bars, "QUIET_S", 0.0)
    with command_output(quiet=quiet) as out, out.task("fitting", total=2, unit="forms") as task:
        task.advance()
    assert ("fitting: done" in capsys.readouterr().err) is not quiet


def test_people_are_told_where_the_output_lies_and_what_comes_next(capsys):
    Output(as_json=False, quiet=False).result("{}", "facts", written="runs/my run", then=("export", "runs/my run"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["facts", "written to runs/my run", "next: slmbench export 'runs/my run'"]
    Output(as_json=True, quiet=False).result('{"a": 1}', "facts", written="x", then=("export", "x"))
    assert capsys.readouterr().out == '{"a": 1}\n'


def test_each_command_of_the_main_path_names_the_next_one(workshop):
    said = run("finetune", "--method", "tfidf", "--corpus", "reviews.csv")
    brief = {"profile": ("--processes", 1, "--time-limit", 0.2)}
    seen = []
    while "predict" not in seen:
        assert said.exit_code == 0, said.stderr
        *_, where, last = said.stdout.splitlines()
        assert where.startswith("written to ")
        assert (workshop / where.removeprefix("written to ")).exists()
        words = shlex.split(last.removeprefix("next: slmbench "))
        seen.append(words[0])
        said = run(*words, *brief.get(words[0], ()))
    assert seen == ["export", "profile", "compare", "predict"]
    assert json_of(said)["label"] in ("negative", "positive")


def test_the_next_command_depends_on_what_was_done_already(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_ = factories.run_record(path="runs/a", key="r" * 64)
    bundle = factories.bundle_record("a", path="exported/a", run_key=run_.key, key="b" * 64)
    for folder in ("exported/a", "profiles"):
        Path(folder).mkdir(parents=True)
    assert after_run(run_) == ("export", "runs/a")

    write_record(bundle, Path("exported/a/bundle.json"))
    assert after_run(run_) == ("profile", Path("exported/a"))
    assert after_run(run_.model_copy(update={"key": "s" * 64}))[0] == "export"

    for form in bundle.forms:
        assert after_bundle(bundle, "exported/a") == ("profile", "exported/a")
        measured = factories.profile_record("a", form=form, source_key=bundle.key)
        write_record(measured, Path(f"profiles/a.{form}.here.json"))
    Path("profiles/a.int8.broken.json").write_text("{", encoding="utf-8")
    assert after_run(run_) == ("compare",)
    # Elsewhere below profiles/.
    Path("profiles/mine").mkdir()
    for file in Path("profiles").glob("*.json"):
        file.rename(Path("profiles/mine") / file.name)
    assert after_run(run_) == ("compare", Path("profiles/mine"))
    # Made again since.
    assert after_bundle(bundle.model_copy(update={"key": "c" * 64}), "exported/a")[0] == "profile"
