"""A million rows under twenty random kills, by the benchmark that does it with ten millions and two hundred."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/shards.py"


@pytest.mark.hard
def test_a_million_rows_are_there_once_whoever_is_killed(tmp_path):
    pytest.importorskip("pyarrow")
    words = ("kills", "--rows", "1000000", "--kills", "20", "--workers", "2")
    words += ("--shard-rows", "10000", "--folder", str(tmp_path))
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["equal"], found["lost"], found["twice"]) == (True, 0, 0)
    assert found["killed"]["command"] + found["killed"]["worker"] == 20
    assert found["left"] == ["answers", "manifests", "scoring.json"]
    # The first third has the start and the counting; what grew with the rows would show between the others.
    assert found["memory_mb"][2] < found["memory_mb"][1] + 30
