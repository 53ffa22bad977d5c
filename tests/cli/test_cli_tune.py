"""``slmbench tune`` as seen from the command line."""

import io
import json
import shutil

import pytest
from cli_helpers import json_lines, run
from rich.console import Console

from slmbench.cli.views.profiles import tuning_summary
from slmbench.edge import Classifier
from slmbench.instruments.tuned import tuned_settings
from slmbench.records.tuning import TuningRecord

TEXTS = ["superb, the best", "an awful, boring plot"]


@pytest.fixture(scope="module", autouse=True)
def _own_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def untuned(tiny_bundle):
    """What ``predict --tuned`` says before the bundle was tuned."""
    return run("predict", tiny_bundle, *TEXTS, "--tuned", "--quiet")


@pytest.fixture(scope="module")
def result(tiny_bundle, untuned):
    """What the one real tuning of this file printed."""
    return invoke(tiny_bundle, "--time-limit", 0.3, "--json")


def invoke(*words):
    return run("tune", *words)


def test_it_prints_and_keeps_what_it_found(tiny_bundle, result):
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["schema"] == "slmbench.tuning/1"
    found, wanted = tuned_settings(tiny_bundle), {**document["chosen"], "batch_tokens": document["batch_tokens"]}
    if document["workers"] > 1:
        wanted |= {"threads": document["worker_threads"], "workers": document["workers"]}
    assert found == wanted or (found.keys() == {"form", "provider", "batch_tokens"} and document["workers"] > 1)


def test_predict_runs_a_bundle_as_it_was_tuned(tiny_bundle, untuned, result):
    assert result.exit_code == 0, result.stderr

    tuned = run("predict", tiny_bundle, *TEXTS, "--tuned")

    said = " ".join(untuned.stderr.split())
    assert f"{tiny_bundle} was not tuned" in said and f"`slmbench tune {tiny_bundle}`" in said
    assert untuned.stdout == run("predict", tiny_bundle, *TEXTS).stdout
    assert tuned.stderr == ""
    wanted = Classifier(tiny_bundle, **tuned_settings(tiny_bundle)).predict(TEXTS)
    assert [line["score"] for line in json_lines(tuned)] == [round(found.score, 6) for found in wanted]


def test_options_that_are_given_win_over_the_tuning(tiny_bundle, result):
    found = tuned_settings(tiny_bundle)
    other = "int8" if found["form"] == "fp32" else "fp32"
    given = run("predict", tiny_bundle, *TEXTS, "--tuned", "--form", other, "--threads", 1)
    wanted = Classifier(tiny_bundle, **{**found, "form": other, "threads": 1}).predict(TEXTS)
    assert [line["score"] for line in json_lines(given)] == [round(one.score, 6) for one in wanted]


def test_people_read_what_is_fastest_here(result):
    record = TuningRecord.model_validate_json(result.stdout)
    page = io.StringIO()

    Console(file=page, width=200).print(*tuning_summary(record))

    printed = page.getvalue()
    (chosen,) = [line for line in printed.splitlines() if f"{record.chosen.form} ★" in line]
    best = next(one for one in record.candidates if one.setting == record.chosen)
    assert f"{best.p50_ms:.3g} [" in chosen
    assert " is fastest here: " in printed
    assert "workers" in printed


def test_a_bundle_that_is_not_there_is_one_sentence(tmp_path):
    result = invoke(tmp_path / "nowhere", "--quiet")

    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert f"no bundle at {tmp_path / 'nowhere'}" in sentence


def test_several_bundles_are_a_wrong_call(tmp_path, tiny_bundle, floor_bundle):
    for bundle in (tiny_bundle, floor_bundle):
        shutil.copytree(bundle, tmp_path / "several" / bundle.name)

    result = invoke(tmp_path / "several")

    assert result.exit_code == 2
    assert "holds several bundles: name one" in result.stderr
