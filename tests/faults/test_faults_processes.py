"""Two processes on one output and on one cache, and what a killed one leaves of its helpers."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from faults_helpers import leftovers, wait_for_orphans, whole_records

from slmbench.common.files import build_aside, write_atomically
from slmbench.common.progress import Silent
from slmbench.common.sole_writer import sole_writer
from slmbench.records import artefacts

TFIDF = ("finetune", "--method", "tfidf", "--corpus", "reviews.csv", "--output", "made")
#: Holds the lock of a folder until its stdin is closed.
HOLDER = """
import sys
from pathlib import Path
from slmbench.common.sole_writer import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.read()
"""


def begin(place, *words, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "slmbench.cli.app", *words],
        cwd=place / "work",
        env={**os.environ, "SLMBENCH_HOME": str(place / "home"), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=os.name != "nt",
    )


class Holder:
    """Another process that is making a folder."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "holding\n"

    def end(self):
        self.process.communicate("")


def test_two_commands_on_one_output_both_finish(place):
    both = [begin(place, *TFIDF) for _ in range(2)]
    said = [one.communicate(timeout=120)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert "made/run.json" in {name.removeprefix("work/") for name in whole_records(place)}
    assert sum("up to date" in text for text in said) == 1
    assert leftovers(place) == []


@pytest.mark.hard
def test_two_ladders_on_one_folder_both_finish(place):
    both = [begin(place, "compare", "--recipe", "small.toml") for _ in range(2)]
    said = [one.communicate(timeout=300)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert {"work/runs/small-tiny/run.json", "work/comparisons/small/comparison.json"} <= whole_records(place).keys()
    assert leftovers(place) == []


def test_a_process_waits_for_the_other_and_says_so(tmp_path):
    other = Holder(tmp_path / "made")
    (tmp_path / ".made.building-of-the-other").mkdir()
    said, entered = [], threading.Event()
    ears = Silent()
    ears.say = said.append

    def wait():
        with sole_writer(tmp_path / "made", ears):
            entered.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not said:
        time.sleep(0.01)
    # Nothing of a process that is alive is tidied.
    assert not entered.is_set()
    assert (tmp_path / ".made.building-of-the-other").is_dir()
    other.end()
    waiting.join(timeout=60)
    assert entered.is_set()
    assert len(said) == 1 and str(tmp_path / "made") in said[0]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_tidied_and_what_it_moved_away_is_put_back(tmp_path):
    (tmp_path / ".made.old-x/old").mkdir(parents=True)
    (tmp_path / ".made.old-x/old/file").write_text("before")
    (tmp_path / ".made.building-x").mkdir()
    (tmp_path / ".mad.building-x").mkdir()
    with sole_writer(tmp_path / "made"):
        assert (tmp_path / "made/file").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mad.building-x", "made"]


def test_a_file_of_a_process_that_is_no_more_is_removed(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale, alive = (tmp_path / f".record.writing-{number}-abc.json" for number in (gone.pid, os.getpid()))
    for left in (stale, alive):
        left.write_text("half")
    assert artefacts.kind_of(alive) is None
    write_atomically(tmp_path / "record.json", "{}")
    assert sorted(tmp_path.iterdir()) == [alive, tmp_path / "record.json"]


def test_a_claim_within_a_claim_is_one(tmp_path):
    with sole_writer(tmp_path / "new/made"), build_aside(tmp_path / "new/made") as building:
        (building / "file").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["made"]


def test_a_claim_that_makes_nothing_leaves_nothing(tmp_path):
    with sole_writer(tmp_path / "new/made"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_where_no_lock_can_be_made_the_work_is_done(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with sole_writer(tmp_path / "made"):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_pip_ends_with_the_command_that_started_it(place, fake_pip_killing_its_parent):
    started = begin(place, "fetch", "minilm-l6", **fake_pip_killing_its_parent)
    started.communicate(timeout=60)
    assert started.returncode == -signal.SIGKILL
    assert wait_for_orphans(started.pid) == []


@pytest.fixture
def fake_pip_killing_its_parent(tmp_path):
    from starter_helpers import FAKE_PIP

    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "pip.py").write_text(FAKE_PIP)
    return {
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "FAKE_PIP_CALLS": str(tmp_path / "calls"),
        "FAKE_PIP_SHELF": str(tmp_path),
        "FAKE_PIP_MODE": f"kill {signal.SIGKILL}",
    }
