"""Running commands that are killed, and judging what they leave."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.records import artefacts

#: What a person reads, and the exit status, of the two signals that can be handled.
ENDINGS = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("terminated", 143)}
#: Run in a command's process: the tiny catalogue instead of the real one.
TINY_CATALOGUE = """
import pickle
from slmbench.starter import items
items.ITEMS = pickle.load(open("../items.pickle", "rb"))
"""
_RECORD = re.compile(r'\s*\{\s*"schema"\s*:\s*"slmbench\.')


def run(*words):
    """Run a command in this process; what is neither success nor an exit status is raised."""
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class Server:
    """The process that commands are forked from; see ``fault_server.py``."""

    def __init__(self):
        # Commands have to find out by themselves that no hub is needed.
        environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fault_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1"},
        )
        assert self.process.stdout.readline() == "ready\n"

    def run(self, place, *words, code="", at=None, number=None, events=None, **environment):
        """Run a command in the folder ``work`` of a place, with its cache in ``home``.

        Returns its exit status and what it said. Nothing that it started is alive then.
        """
        request = {
            "words": [str(word) for word in words],
            "cwd": str(place / "work"),
            "home": str(place / "home"),
            "said": str(place / "said.txt"),
            "environment": environment,
            "code": code,
            "at": at,
            "signal": number,
            "events": events and str(events),
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        session, status = json.loads(self.process.stdout.readline())
        orphans = wait_for_orphans(session)
        assert not orphans, f"{words}: {orphans} outlived it"
        return status, (place / "said.txt").read_text(encoding="utf-8")

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=120)


def wait_for_orphans(session, seconds=5.0):
    """Return the command lines of processes that are left of a session some time after its leader ended."""
    until = time.monotonic() + seconds
    while True:
        left = []
        for process in psutil.process_iter(["pid", "cmdline", "status"]):
            try:
                if os.getsid(process.pid) == session and process.info["status"] != psutil.STATUS_ZOMBIE:
                    left.append(process.info["cmdline"])
            except ProcessLookupError:
                pass
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.05)


def check_ending(number, status, said):
    """Check how a command ended that was sent a signal."""
    if number == signal.SIGKILL:
        assert status == -signal.SIGKILL
        return
    word, code = ENDINGS[number]
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert (status, len(errors)) == (code, 1), said
    assert word in errors[0]
    assert "Traceback" not in said


def leftovers(place):
    """Hidden files and folders, which nothing that is finished has."""
    hidden = [path for path in place.rglob(".*") if not path.name.startswith(".cache")]
    return sorted(str(path.relative_to(place)) for path in hidden)


def whole_records(place):
    """Read every record in a place that is not being built; each has to be whole. Returns their keys by path."""
    found = {}
    for path in sorted(place.rglob("*.json")):
        inside = path.relative_to(place)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        if not is_hidden and _RECORD.match(path.read_text(encoding="utf-8")):
            found[str(inside)] = artefacts.open(path).key
    return found


def points(events, most, signals=(signal.SIGKILL, signal.SIGTERM, signal.SIGINT)):
    """Choose where to kill a command: around every renaming, and evenly over its other operations.

    Args:
        events: The operations of an undisturbed run, as the server lists them.
        most: Number of points.
        signals: Are used in turn.
    """
    lines = [line.split("\t")[0] for line in events.read_text(encoding="utf-8").splitlines()]
    operations = [line for line in lines if line != "renamed"]
    renames = [["event", number] for number, line in enumerate(operations, 1) if line == "os.rename"]
    after = [["renamed", number] for number in range(1, lines.count("renamed") + 1)]
    around = _spread([point for pair in zip(renames, after, strict=False) for point in pair], most * 2 // 3)
    # The first operation is before the first write.
    others = [["event", number] for number in range(2, len(operations) + 1) if ["event", number] not in around]
    chosen = around + _spread(others, most - len(around))
    return [(at, int(signals[number % len(signals)])) for number, at in enumerate(chosen)]


def _spread(values, most):
    step = max(len(values) / most, 1.0) if most else 1.0
    return [values[int(number * step)] for number in range(min(most, len(values)))]
