"""Rows under random kills, by the benchmark that does it with ten millions and two hundred kills."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/shards.py"


def under_fire(folder, rows, kills, shard_rows, *more):
    """Run the benchmark, and check that every row is there once, with the answers of an undisturbed run."""
    pytest.importorskip("pyarrow")
    words = ("kills", "--rows", rows, "--kills", kills, "--shard-rows", shard_rows, "--folder", folder, *more)
    words = [sys.executable, SCRIPT, *words]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["equal"], found["lost"], found["twice"]) == (True, 0, 0)
    assert sum(found["killed"].values()) == kills
    assert found["left"] == ["answers", "manifests", "scoring.json"]
    return found


@pytest.mark.hard
def test_a_million_rows_are_there_once_whoever_is_killed(tmp_path):
    found = under_fire(tmp_path, 1_000_000, 20, 10_000)
    # The first third has the start and the counting; what grew with the rows would show between the others.
    assert found["memory_mb"][2] < found["memory_mb"][1] + 30


@pytest.mark.hard
def test_on_two_nodes_of_ray_rows_are_there_once_whoever_is_killed(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'slmbench[ray]'")
    found = under_fire(tmp_path, 60_000, 6, 1_000, "--engine", "ray")
    assert found["killed"] == {"machine": 2, "worker": 2, "command": 2}
