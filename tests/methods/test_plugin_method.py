"""A method that an installed package adds is like a built-in one, in every command and in recipes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from learnable import write_reviews

TOY = Path(__file__).parent / "toy_method.py"
RECIPE = """
name = "toy"
[corpus]
name = "reviews.csv"
[[rungs]]
name = "votes"
method = "votes"
smoothing = 3
[[rungs]]
name = "tfidf"
method = "tfidf"
[export]
forms = ["fp32"]
[profile]
processes = 1
time_limit_s = 0.3
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with reviews, and the package installed beside it."""
    folder = tmp_path_factory.mktemp("plugin")
    installed = folder / "site"
    described = installed / "toy-1.0.dist-info"
    described.mkdir(parents=True)
    shutil.copy(TOY, installed / "toy_method.py")
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[slmbench.methods]\nvotes = toy_method:VOTES\n")
    write_reviews(folder / "reviews.csv", ["negative", "positive"], 200)
    return folder


def run(here, *words):
    paths = [str(here / "site"), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "slmbench.cli.app", *words],
        cwd=here,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def document(here, *words):
    result = run(here, *words, "--json", "--quiet")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_plugin_is_small():
    lines = [line for line in TOY.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 40


def test_its_options_are_in_the_help(here):
    every = run(here, "finetune", "--help")
    assert every.returncode == 0, every.stderr
    assert "votes" in every.stdout
    own = run(here, "finetune", "--method", "votes", "--help")
    assert own.returncode == 0 and "--smoothing" in own.stdout


def test_the_main_path(here):
    words = ("finetune", "--method", "votes", "--corpus", "reviews.csv", "--output", "runs/votes")
    trained = document(here, *words, "--smoothing", "2")
    assert (trained["method"], trained["model"], trained["hyperparameters"]) == ("votes", "votes", {"smoothing": 2.0})
    assert trained["test"]["accuracy"] > 0.9
    assert trained["train"]["seconds"] > 0
    again = run(here, *words, "--smoothing", "2")
    assert "up to date" in again.stderr

    bundle = document(here, "export", "runs/votes", "--form", "fp32")
    form = bundle["forms"]["fp32"]
    assert form["accepted"]
    assert form["accuracy"] == trained["test"]["accuracy"]
    assert form["parity"]["label_flips"] == 0

    cells = ("profile", "exported/votes", "--processes", "1", "--time-limit", "0.3")
    (profile,) = document(here, *cells)["profiles"]
    assert profile["accuracy"] == trained["test"]["accuracy"]
    assert profile["latency"]["p50_ms"] > 0
    row = document(here, "compare")["rows"][0]
    assert (row["name"], row["method"]) == ("votes", "votes")

    predicted = run(here, "predict", "exported/votes", "a good film")
    assert json.loads(predicted.stdout)["label"] in ("negative", "positive")


def test_a_recipe(here):
    (here / "toy.toml").write_text(RECIPE, encoding="utf-8")
    compared = document(here, "compare", "--recipe", "toy.toml")
    assert {(row["name"], row["method"], row["failure"]) for row in compared["rows"]} == {
        ("votes", "votes", None),
        ("tfidf", "tfidf", None),
    }
    record = json.loads((here / "runs/toy-votes/run.json").read_text(encoding="utf-8"))
    assert record["hyperparameters"] == {"smoothing": 3.0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--smoothing", "0"), "--smoothing must be above 0"),
        (("--epochs", "3"), "--epochs is no option of method 'votes'"),
        (("--method", "vote"), "did you mean 'votes'"),
    ],
)
def test_mistakes_are_explained_like_those_of_built_in_methods(here, words, says):
    result = run(here, "finetune", "--method", "votes", "--corpus", "reviews.csv", *words)
    assert result.returncode == 2
    assert says in result.stderr


def test_a_package_that_cannot_be_imported_takes_nothing_else_away(here, tmp_path):
    broken = tmp_path / "site"
    described = broken / "broken-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[slmbench.methods]\nlost = no_such_module:METHOD\n")
    (tmp_path / "reviews.csv").write_bytes((here / "reviews.csv").read_bytes())

    assert run(tmp_path, "finetune", "--help").returncode == 0
    result = run(tmp_path, "finetune", "--method", "lost", "--corpus", "reviews.csv")
    assert result.returncode == 1
    assert "broken" in result.stderr
