"""Bundles that may be damaged, and measurements with made-up latencies."""

import math
import shutil
from pathlib import Path

import pytest
from profiling_helpers import FakeProcess

from slmbench.instruments.energy import EnergySources
from slmbench.instruments.sentinel import Sentinel
from slmbench.profiling import agreement, conditions, scenarios, turns
from slmbench.profiling.backends import ProfilingBackend
from slmbench.records import BundleRecord, read_record
from slmbench.records.sessions import SentinelTimes


@pytest.fixture
def bundle(tmp_path, tiny_bundle):
    """A copy of the tiny bundle."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundles" / "tiny")


@pytest.fixture
def pretend(monkeypatch):
    """Let measured processes be fake ones, made from keyword arguments in turn; returns those made.

    Unless told otherwise they answer as the bundle's record says.
    """

    def install(*settings):
        made = []

        def start(task):
            form = read_record(BundleRecord, Path(task["folder"]) / "bundle.json").forms[task["form"]]
            said = {"labels": form.predictions.predicted().tolist()}
            made.append(FakeProcess(**{**said, **settings[len(made) % len(settings)]}))
            made[-1].task = task
            return made[-1]

        for module in (scenarios, agreement):
            monkeypatch.setattr(module, "MeasuredProcess", start)
        # What only pretends to run need not be installed.
        monkeypatch.setattr(ProfilingBackend, "check_available", lambda self, device: None)
        # How busy and how fast the machine of the tests is, is not what they ask.
        monkeypatch.setattr(turns.psutil, "cpu_percent", lambda interval: 3.0)
        monkeypatch.setattr(conditions, "MIN_SECONDS", math.inf)
        monkeypatch.setattr(Sentinel, "run", lambda self: SentinelTimes(gemm_ms=5.0, copy_ms=5.0, text_ms=5.0))
        # A fake process takes no energy: the idle power of the real machine would be waited for.
        monkeypatch.setattr(turns, "find_sources", lambda *_: EnergySources(reason="no counters readable"))
        return made

    return install
