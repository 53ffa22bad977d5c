"""Sessions of measurement are written and read again; only what measures the same is compared."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from slmbench.records import ProfileRecord, read_record

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield import_module("recorded_sessions"), import_module("record_session")
    for name in ("recorded_sessions", "record_session"):
        sys.modules.pop(name, None)


def session(recorded, sha, times, cpu="x"):
    machine = {"fingerprint": f"0123456{cpu}", "cpu_model": "a processor", "cores_available": 2}
    cell = {"form_sha256": sha, "reviews": "same", "processes_ms": times}
    return {"recorded": recorded, "machine": machine, "sentinel_ms": [{"gemm": 3.0}], "cells": {"tiny int8": cell}}


def test_what_measures_the_same_is_read_together(scripts, tmp_path):
    recorded, _ = scripts
    for hour, sha, cpu in ((9, "one", "x"), (8, "one", "x"), (10, "other", "x"), (11, "one", "y")):
        when = f"2026-01-01T{hour:02}:00:00+00:00"
        recorded.write_session(session(when, sha, [[float(hour), 2.0], [3.0, 4.0]], cpu), tmp_path)
    (found,) = recorded.read_sessions([tmp_path]).values()
    assert [one.recorded.hour for one in found] == [8, 9]
    assert found[0].processes_ms == [[8.0, 2.0], [3.0, 4.0]]
    assert found[0].sentinel_ms == [{"gemm": 3.0}]


def test_a_process_is_kept_as_the_medians_of_its_reviews(scripts):
    _, record_session = scripts
    file = next((ROOT / "profiles/reference").glob("quickstart-bert-tiny.int8.*.json"))
    record = read_record(ProfileRecord, file)
    latency = record.latency.model_copy(update={"processes_ms": record.latency.processes_ms[:1]})
    kept = record_session.per_review(record.model_copy(update={"latency": latency}))
    samples, reviews = latency.processes_ms[0], latency.reviews
    assert len(kept) == 100
    assert kept[3] == pytest.approx(np.median(samples[3::reviews]), rel=1e-3)


def test_recorded_files_stay_small_and_readable(scripts):
    recorded, _ = scripts
    files = sorted(recorded.SESSIONS.glob("*.json"))
    assert len(files) >= 3 and all(file.stat().st_size < 30_000 for file in files)
    for sessions in recorded.read_sessions().values():
        assert all(np.all(np.array(process) > 0) for one in sessions for process in one.processes_ms)
