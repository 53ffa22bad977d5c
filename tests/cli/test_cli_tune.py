"""``slmbench tune`` as seen from the command line."""

import json

import pytest
import typer
from cli_helpers import json_lines, run
from typer.testing import CliRunner

from slmbench.cli.tune import tune
from slmbench.edge import Classifier
from slmbench.edge.runtime import BundleFiles
from slmbench.edge.tuned import tuned_settings

app = typer.Typer()
app.command()(tune)


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_it_prints_and_keeps_what_it_found(tiny_bundle):
    result = invoke(tiny_bundle, "--time-limit", 0.3, "--json")

    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["schema"] == "slmbench.tuning/1"
    found = tuned_settings(BundleFiles.open(tiny_bundle).seal)
    assert document["chosen"] == {"form": found.form, "provider": found.provider, "threads": found.threads}
    assert document["batch_tokens"] == found.batch_tokens


def test_predict_runs_a_bundle_as_it_was_tuned(tiny_bundle):
    texts = ["superb, the best", "an awful, boring plot"]
    untuned = run("predict", tiny_bundle, *texts, "--tuned", "--quiet")
    invoke(tiny_bundle, "--time-limit", 0.3)

    tuned = run("predict", tiny_bundle, *texts, "--tuned")

    assert " ".join(untuned.stderr.split()) == (
        f"warning: {tiny_bundle} was not tuned on this machine and runs as without --tuned: run `slmbench tune` on it"
    )
    assert untuned.stdout == run("predict", tiny_bundle, *texts).stdout
    assert tuned.stderr == ""
    wanted = Classifier(tiny_bundle, tuned=True).predict(texts)
    assert [line["score"] for line in json_lines(tuned)] == [round(found.score, 6) for found in wanted]


def test_people_read_what_is_fastest_here(tiny_bundle, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    result = invoke(tiny_bundle, "--time-limit", 0.3)

    assert result.exit_code == 0, result.stderr
    assert " is fastest here: " in result.stdout
    assert "★" in result.stdout
    assert "one at a time" in result.stdout


def test_a_bundle_that_is_not_there_is_one_sentence(tmp_path):
    result = invoke(tmp_path / "nowhere", "--quiet")

    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: there is no bundle folder")
