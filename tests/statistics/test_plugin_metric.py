"""A metric of an installed package is computed, recorded and shown wherever metrics are."""

from __future__ import annotations

import csv
import json
import sys
from importlib import metadata

import numpy as np
import pytest
from factories import ladder, profile_record, run_record
from reports import without_matplotlib
from sklearn.metrics import matthews_corrcoef
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.records import write_record
from slmbench.statistics import METRICS, evaluate

__all__ = ["without_matplotlib"]

PACKAGE = """
import numpy as np
from slmbench.statistics import Metric, bootstrapped

def mcc(reviews):
    truth, predicted = reviews.truth, reviews.predicted
    return float(np.corrcoef(truth, predicted)[0, 1]) if len(set(truth)) == len(set(predicted)) == 2 else None

MCC = Metric("mcc", "Matthews correlation", mcc, "Matthews 1975", range=(-1, 1), interval=bootstrapped(mcc))
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package as pip leaves it: a module, and metadata with an entry point."""
    place = tmp_path / "site"
    information = place / "mcc_metric-1.0.dist-info"
    information.mkdir(parents=True)
    (place / "mcc_metric.py").write_text(PACKAGE)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: mcc-metric\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[slmbench.metrics]\nmcc = mcc_metric:MCC\n")
    monkeypatch.syspath_prepend(place)
    # Other tests may have evaluated the same predictions without it.
    monkeypatch.setattr("slmbench.records.predictions.evaluate", evaluate)
    METRICS.__dict__.pop("_plugins", None)
    yield place
    METRICS.__dict__.pop("_plugins", None)
    METRICS._entries.pop("mcc", None)
    sys.modules.pop("mcc_metric", None)


@pytest.fixture
def here(tmp_path, monkeypatch, package, without_matplotlib):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(app, words)


def json_of(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def expected(predictions):
    return matthews_corrcoef(predictions.truth, predictions.predicted())


def test_it_is_computed_with_its_interval(package):
    truth, probabilities = [0, 0, 1, 1] * 20, np.eye(2)[[0, 1, 1, 1] * 20]
    evaluation = evaluate(truth, probabilities, ["no", "yes"])
    assert evaluation.value("mcc") == pytest.approx(matthews_corrcoef(truth, [0, 1, 1, 1] * 20))
    low, high = evaluation.interval("mcc")
    assert low < evaluation.value("mcc") < high
    assert json.loads(evaluation.model_dump_json())["mcc"] == evaluation.value("mcc")
    # It is not defined where one label is never answered.
    assert evaluate([0, 1], np.eye(2)[[0, 0]], ["no", "yes"]).value("mcc") is None


def test_evaluate_shows_it(here):
    record = run_record()
    write_record(record, here / "runs/minilm/run.json")
    document = json_of(run("evaluate", "runs/minilm", "--json"))
    assert document["evaluation"]["mcc"] == pytest.approx(expected(record.predictions))
    assert "Matthews correlation" in run("evaluate", "runs/minilm").stdout


def test_compare_the_report_and_the_csv_show_it(here):
    profiles = {f"{profile.bundle} {profile.form}": profile for profile in ladder()[::3]}
    for profile in profiles.values():
        write_record(profile, here / "profiles" / f"{profile.name}.json")
    document = json_of(run("compare", "--pareto", "mcc,size", "--json"))
    assert document["decisions"][0]["front_axes"] == ["mcc", "size"]
    for row in document["rows"]:
        value = expected(profiles[f"{row['name']} {row['form']}"].predictions)
        assert row["metrics"]["mcc"] == pytest.approx(value)
        assert row["metrics_ci95"]["mcc"][0] < value < row["metrics_ci95"]["mcc"][1]
    report = here / "comparisons/latest"
    page, text = ((report / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    best = next(row["metrics"]["mcc"] for row in document["rows"] if row["recommended"])
    assert '<th scope="col" class="n">Matthews correlation</th>' in page and f">{best:.3f}<" in page
    assert "| Matthews correlation |" in text and f"| {best:.3f} |" in text
    assert '"name": "mcc"' in page
    with (report / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mcc"]) for row in rows] == [row["metrics"]["mcc"] for row in document["rows"]]
    assert all(float(row["mcc_ci95_low"]) < float(row["mcc"]) < float(row["mcc_ci95_high"]) for row in rows)
    assert "Matthews correlation" in " ".join(run("compare").stdout.split())


def test_one_that_fails_is_null_with_a_reason(here, package):
    (package / "mcc_metric.py").write_text(PACKAGE.replace("truth, predicted = ", "truth, predicted = 1 / 0, "))
    write_record(profile_record(), here / "profiles/one.json")
    document = json_of(run("compare", "--json"))
    assert "mcc" not in document["rows"][0]["metrics"] and document["recommended"]["name"] == "minilm-l6"
    assert any("'mcc'" in caveat and "division by zero" in caveat for caveat in document["caveats"])


def test_a_package_is_listed_before_it_is_imported(package):
    assert "mcc" in METRICS.names
    assert "mcc_metric" not in sys.modules
    assert metadata.version("mcc-metric") == "1.0"
