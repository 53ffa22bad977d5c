"""Processes that die while they score, here and on an engine's machines, and when the work is given up."""

from pathlib import Path
from threading import Lock
from time import sleep

import pytest
from toy_engine import declare_toy

from slmbench.common.errors import SlmbenchError
from slmbench.instruments.children import LostError
from slmbench.instruments.engines import Machine
from slmbench.records.scoring import ScoringRecord
from slmbench.scoring import crew
from slmbench.scoring.inputs import Input
from slmbench.scoring.predicting import predict_files
from slmbench.scoring.worker import Worker


class Child:
    """What a process answers, in this one; it dies after so many requests."""

    def __init__(self, after):
        self.left = after
        self.worker = None

    def ask(self, request, limit_s):
        if not self.left:
            raise LostError("a process that scores was killed by signal 9")
        self.left -= 1
        if self.worker is None:
            work = ScoringRecord.model_validate(request["work"])
            source = Input(work.input.location, work.input.files)
            self.worker = Worker(work, source, stop_on_error=request["stop_on_error"])
            return {}
        try:
            return self.worker.ask(request["shard"])
        except SlmbenchError as error:
            return {"error": str(error)}

    def close(self):
        if self.worker is not None:
            self.worker.close()


class Cluster:
    """Two machines, and room for so many processes at a time; those of the first start die after so many requests."""

    def __init__(self, room, after, dying):
        self.room, self.after, self.dying = room, after, dying
        self.started = self.gone = 0
        self.lock = Lock()

    def machines(self):
        return [Machine("10.0.0.1", "a", 2), Machine("10.0.0.2", "b", 2)]

    def start(self, arguments, *, what, threads=None, on=None, wanted):
        assert (list(arguments), threads, on) == (["-m", "slmbench.scoring.worker"], 1, None)
        with self.lock:
            self.started += 1
            number = self.started
        if number > self.room:
            while wanted():
                sleep(0.01)
            self.gone += 1
            return None
        return Child(self.after if number <= self.dying else -1)


@pytest.fixture
def dying(monkeypatch):
    """Let the children die after so many requests each; they work in this process."""
    return lambda after: monkeypatch.setattr(crew, "ChildProcess", lambda *_, **__: Child(after))


@pytest.fixture
def engine(monkeypatch):
    """Declare an engine ``toy``; returns its cluster."""

    def declare(room=8, after=-1, dying=0):
        return declare_toy(monkeypatch, Cluster(room, after, dying))

    return declare


def scored(bundle, output="out", **options):
    """Score and return the summary and the content of each shard."""
    record = predict_files(bundle, "in", output, shard_rows=20, **options)
    return record.summary, {file.name: file.read_bytes() for file in Path(output, "answers").iterdir()}


def test_a_process_that_dies_is_replaced(floor_bundle, rows, here, dying):
    rows("jsonl")
    alone = scored(floor_bundle, "alone", workers=1)
    dying(5)
    assert scored(floor_bundle, workers=2) == alone


def test_processes_that_only_die_are_not_replaced_for_ever(floor_bundle, rows, here, dying):
    rows("jsonl")
    dying(1)
    with pytest.raises(SlmbenchError, match="killed by signal 9"):
        scored(floor_bundle, workers=2)


def test_an_engine_answers_the_same_with_the_cores_of_its_machines(floor_bundle, rows, here, engine):
    rows("jsonl")
    cluster = engine()
    assert scored(floor_bundle, engine="toy") == scored(floor_bundle, "alone", workers=1)
    assert cluster.started == 4


def test_a_lost_machine_does_not_end_the_work(floor_bundle, rows, here, engine):
    rows("jsonl")
    cluster = engine(after=1, dying=4)  # more than may die one after another in one place
    assert scored(floor_bundle, engine="toy", workers=4) == scored(floor_bundle, "alone", workers=1)
    assert cluster.started >= 5


def test_processes_for_which_there_is_no_room_are_not_waited_for(floor_bundle, rows, here, engine):
    rows("jsonl")
    cluster = engine(room=1)
    assert scored(floor_bundle, engine="toy") == scored(floor_bundle, "alone", workers=1)
    assert cluster.gone == 3


def test_more_threads_than_a_machine_has_cores_are_refused(floor_bundle, rows, here, engine):
    rows("jsonl")
    engine()
    with pytest.raises(SlmbenchError, match="3 cores"):
        scored(floor_bundle, engine="toy", threads=3)


def test_an_engine_that_is_not_installed_names_its_extra(predict, rows, here, monkeypatch):
    rows("jsonl")
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None if name == "ray" else object())
    result = predict("--input", "in", "--output", "out", "--engine", "ray")
    assert result.exit_code == 1
    assert "pip install 'slmbench[ray]'" in result.stderr
    assert not (here / "out").exists()


def test_an_engine_that_does_not_exist_is_a_wrong_call(predict, rows, here):
    rows("jsonl")
    result = predict("--input", "in", "--output", "out", "--engine", "rax")
    assert result.exit_code == 2
    assert "ray" in result.stderr
