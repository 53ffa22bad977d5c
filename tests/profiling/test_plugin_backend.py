"""A backend that another package adds: declared, loaded in the measured process, profiled and compared."""

import json
import os
import shutil
import sys

import pytest
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.profiling.backends import BACKENDS

#: The whole package: it answers every review alike, with the labels of the bundle.
TOY = """
import json
import numpy as np
from slmbench.edge.runtime import Prediction
from slmbench.profiling.backends import ProfilingBackend

TOY = ProfilingBackend(name="toy", help="The first label", loader="toy_backend:load", libraries=("toy-backend",))


class AlwaysFirst:
    def __init__(self, folder):
        self.labels = json.loads((folder / "bundle.json").read_text())["labels"]

    def predict_proba(self, texts, *, batch_tokens=None):
        return np.tile(np.eye(len(self.labels))[0], (len(texts), 1))

    def predict(self, text):
        return [Prediction(self.labels[0], 1.0, {label: float(label == self.labels[0]) for label in self.labels})]

    def token_lengths(self, texts):
        return [len(text.split()) for text in texts]


def load(folder, *, form, threads, device):
    return AlwaysFirst(folder)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Install the package for this process and those that it starts."""
    site = tmp_path / "site"
    metadata = site / "toy_backend-1.5.dist-info"
    metadata.mkdir(parents=True)
    (site / "toy_backend.py").write_text(TOY, encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-backend\nVersion: 1.5\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[slmbench.backends]\ntoy = toy_backend:TOY\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *sys.path]))
    # A registry looks for packages once; here it has to look again, before and after.
    forget = lambda: (BACKENDS.__dict__.pop("_plugins", None), BACKENDS._entries.pop("toy", None))  # noqa: E731
    forget()
    yield
    forget()
    sys.modules.pop("toy_backend", None)


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_plugins_backend_is_profiled_and_compared(toy, tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_bundle, "exported/tiny")
    brief = ("--form", "fp32", "--processes", 1, "--time-limit", 0.2, "--json")

    (usual,) = run("profile", *brief)["profiles"]
    (record,) = run("profile", "--backend", "toy", *brief)["profiles"]

    assert (record["backend"], record["form"], record["device"]) == ("toy", "fp32", "cpu")
    assert record["software"]["toy-backend"] == "1.5"
    # Its accuracy is its own: it answered all test reviews before it was timed.
    truth = record["predictions"]["truth"]
    assert record["accuracy"] == pytest.approx(truth.count(0) / len(truth))
    assert record["accuracy"] != usual["accuracy"]
    assert record["key"] != usual["key"]
    rows = run("compare", "--json")["rows"]
    assert sorted(row["backend"] for row in rows) == ["onnxruntime", "toy"]
    assert len({(row["name"], row["form"], row["variant"]) for row in rows}) == 2
    assert {row["backend"]: row["variant"] for row in rows}["toy"] == "toy"
    curve = run("sweep", "--over", "batch", "--backend", "toy", *brief)["sweeps"][0]
    assert curve["backend"] == "toy"


def test_a_device_that_it_does_not_serve_is_bad_usage(toy, tiny_bundle):
    result = CliRunner().invoke(app, ["profile", str(tiny_bundle), "--backend", "toy", "--device", "cuda"])

    assert result.exit_code == 2
    assert "toy" in result.stderr and "cuda" in result.stderr
