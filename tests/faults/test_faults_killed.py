"""Commands that are killed after their first write and around every renaming: a rerun finishes, nothing is torn."""

import shutil
import signal
from functools import cached_property

import pytest
from faults_helpers import TINY_CATALOGUE, check_ending, leftovers, points, whole_records

TRAIN = ("--model", "base", "--corpus", "reviews.csv", "--epochs", "2", "--batch-size", "8", "--max-length", "16")
ANY_DROP = ("--max-accuracy-drop", "0.9")
MEASURE = ("--processes", "1", "--time-limit", "1")
COMMANDS = {
    # It replaces a run of other inputs, so that what is replaced is moved away first.
    "finetune": ("finetune", *TRAIN, "--precision", "fp32", "--device", "cpu", "--output", "run"),
    "export": ("export", "run", "--form", "fp32", "--form", "int8", *ANY_DROP, "--output", "bundle"),
    "profile": ("profile", "bundle", "--form", "fp32", *MEASURE),
    "compare": ("compare", "--recipe", "small.toml"),
    "fetch": ("fetch", "whole", "reviews-a", "--from", "../shelf"),
    "predict": (
        *("predict", "bundle", "--input", "reviews.csv", "--output", "labels"),
        *("--shard-rows", "80", "--workers", "1"),
    ),
    "predict by several": (
        *("predict", "bundle", "--input", "reviews.csv", "--output", "labels"),
        *("--shard-rows", "80", "--workers", "2"),
    ),
}
#: Points in all, and into how many tests they are divided.
HARD = {
    "finetune": (24, 4),
    "export": (24, 4),
    "profile": (4, 1),
    "compare": (36, 8),
    "fetch": (24, 2),
    "predict": (24, 2),
}
#: Commands that are killed while their processes are at work, how long after the first was started, and by what.
WITH_PROCESSES = ("profile", "predict by several")
SECONDS = (0.1, 0.2, 0.4, 0.5)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class Kills:
    """Kills one command at one point after another, each in a fresh copy of a place."""

    def __init__(self, server, place, scratch, name):
        self.server, self.place, self.scratch = server, place, scratch
        self.words, self.code = COMMANDS[name], TINY_CATALOGUE if name == "fetch" else ""

    @cached_property
    def events(self):
        """What the command does when nobody kills it; ``keys`` are those of the records then."""
        events = self.scratch / "events.txt"
        whole = self._copy()
        status, said = self.server.run(whole, *self.words, code=self.code, events=events)
        assert status == 0, said
        self.keys, self.answers = whole_records(whole), answers(whole)
        return events

    def _copy(self):
        shutil.rmtree(self.scratch / "killed", ignore_errors=True)
        return shutil.copytree(self.place, self.scratch / "killed")

    def at(self, point, number, **environment):
        """Kill it there; then what it left has to be whole, and the same command has to finish."""
        killed = self._copy()
        status, said = self.server.run(killed, *self.words, code=self.code, at=point, number=number, **environment)
        check_ending(number, status, said)
        whole_records(killed)
        status, said = self.server.run(killed, *self.words, code=self.code)
        assert status == 0, said
        assert whole_records(killed) == getattr(self, "keys", whole_records(killed)) != {}
        assert answers(killed) == getattr(self, "answers", answers(killed))
        assert leftovers(killed) == []


def answers(place):
    """The answers of ``predict`` in a place, by shard."""
    return {file.name: file.read_bytes() for file in sorted(place.glob("work/labels/answers/*"))}


@pytest.fixture
def kills(server, stocked, tmp_path):
    return lambda name: Kills(server, stocked, tmp_path, name)


@pytest.mark.parametrize("name", ["finetune", "fetch"])
def test_a_few_kills(kills, name):
    command = kills(name)
    renamed = command.events.read_text(encoding="utf-8").count("renamed\t")
    assert renamed > 1
    # What is replaced has been moved away, and what replaces it has not come.
    command.at(["renamed", renamed - 1], signal.SIGKILL)
    command.at(["event", 8], signal.SIGTERM)


def test_a_few_kills_between_shards(kills):
    command = kills("predict")
    renamed = command.events.read_text(encoding="utf-8").count("renamed\t")
    # The record; answers and manifest of three shards; the record with the summary.
    assert (renamed, len(command.answers)) == (8, 3)
    command.at(["renamed", 2], signal.SIGKILL)  # answers are there, their manifest is not
    command.at(["renamed", 5], signal.SIGKILL)  # two shards are done
    command.at(["renamed", 7], signal.SIGKILL)  # all are, and there is no summary


@pytest.mark.hard
@pytest.mark.parametrize(
    ("name", "share"), [(name, share) for name, (_, shares) in HARD.items() for share in range(shares)]
)
def test_every_kill(kills, name, share):
    most, shares = HARD[name]
    command = kills(name)
    chosen = points(command.events, most)
    assert len(chosen) == most
    for at, number in chosen[share::shares]:
        command.at(at, number)


@pytest.mark.parametrize(
    ("name", "number"),
    [("profile", signal.SIGKILL), ("profile", signal.SIGINT), ("predict by several", signal.SIGINT)],
)
def test_a_command_is_killed_and_its_processes_end_with_it(kills, name, number):
    kills(name).at(["child", 0.3], number)


@pytest.mark.hard
@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_a_command_with_processes_is_killed_at_other_times(kills, name, seconds):
    for number in SIGNALS:
        kills(name).at(["child", seconds], number)
