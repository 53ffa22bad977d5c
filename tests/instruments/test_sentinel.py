"""The sentinel: a fixed workload whose times on this machine are kept, a bounded number of them."""

import json

import pytest

from slmbench.instruments import sentinel
from slmbench.records.sessions import SentinelTimes
from slmbench.statistics.sessions import REFERENCE_SPREAD


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path))


def store(hour, ms):
    run = SentinelTimes(gemm_ms=ms, copy_ms=2 * ms, text_ms=3 * ms)
    sentinel.store_session(f"s{hour}", f"2026-11-21T{hour:02}:00:00+00:00", [run, run, run])


def test_it_does_three_kinds_of_work():
    found = sentinel.Sentinel().run()

    assert min(found.as_list) > 0
    assert found.total_ms == sum(found.as_list)


def test_sessions_are_kept_and_their_spread_is_used_once_there_are_three(tmp_path):
    assert sentinel.spread_here() == REFERENCE_SPREAD
    for hour, ms in ((1, 10.0), (2, 11.0)):
        store(hour, ms)
    assert sentinel.spread_here() == REFERENCE_SPREAD
    store(3, 12.0)

    stored = sentinel.stored_sessions()
    assert [(one.id, one.gemm_ms, one.text_ms) for one in stored] == [
        ("s1", 10.0, 30.0),
        ("s2", 11.0, 33.0),
        ("s3", 12.0, 36.0),
    ]
    spread = sentinel.spread_here()
    assert spread.stored == 3
    assert spread.deviation == pytest.approx(0.0913, abs=1e-3)  # of log 10, log 11, log 12
    assert spread.apart == pytest.approx(0.0, abs=1e-9)
    assert spread.usual_ms[0] < 66.0 < spread.usual_ms[1]


def test_the_oldest_are_dropped(monkeypatch):
    monkeypatch.setattr(sentinel, "MAX_STORED", 2)
    for hour in (1, 2, 3):
        store(hour, 10.0)

    assert [one.id for one in sentinel.stored_sessions()] == ["s2", "s3"]


@pytest.mark.parametrize(
    "text", ["{", "{}", "[7]", '[{"id": "s1"}]', "null"], ids=["cut", "object", "7", "part", "null"]
)
def test_a_damaged_file_counts_as_none_and_is_written_again(tmp_path, text):
    store(1, 10.0)
    (file,) = (tmp_path / "sentinel").iterdir()
    file.write_text(text, encoding="utf-8")

    assert sentinel.stored_sessions() == []
    store(2, 10.0)
    assert [one.id for one in sentinel.stored_sessions()] == ["s2"]


def test_other_versions_of_the_libraries_are_other_work(tmp_path):
    store(1, 10.0)
    (file,) = (tmp_path / "sentinel").iterdir()
    (entry,) = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps([{**entry, "libraries": {"numpy": "1.0"}}]), encoding="utf-8")

    assert sentinel.stored_sessions() == []
