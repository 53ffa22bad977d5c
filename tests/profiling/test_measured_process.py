"""The child process that is measured: what it loads, and how it ends."""

import json
import os
import signal
import subprocess
import sys

import pytest
from profiling_helpers import children, task_of

from slmbench.common.errors import SlmbenchError
from slmbench.instruments import memory
from slmbench.instruments.memory import PeakTracker
from slmbench.profiling.process import MeasuredProcess


def test_it_loads_answers_and_ends(tiny_bundle):
    with MeasuredProcess(task_of(tiny_bundle)) as process:
        assert process.started["load_ms"] > 0
        assert process.started["first_ms"] > 0
        # The parent waits for the interpreter, too.
        assert process.cold_ms > process.started["load_ms"] + process.started["first_ms"]
        times = process.ask({"do": "single", "rows": [0, 1, 2, 3, 4]})["ms"]
        assert len(times) == 5 and min(times) > 0
        assert process.ask({"do": "batches", "batch_tokens": 64})["s"] > 0
        assert len(children()) == 1

    assert children() == []


def test_a_bundle_that_does_not_load_is_explained(tmp_path):
    with pytest.raises(SlmbenchError, match="the measured process failed: .*there is no bundle folder") as caught:
        MeasuredProcess(task_of(tmp_path / "nowhere"))

    assert "UsageError" not in str(caught.value)
    assert children() == []


@pytest.mark.skipif(os.name == "nt", reason="no signals there")
def test_a_process_that_is_killed_is_explained(tiny_bundle):
    with MeasuredProcess(task_of(tiny_bundle)) as process:
        (child,) = children()
        child.send_signal(signal.SIGKILL)
        with pytest.raises(SlmbenchError, match=r"the measured process was killed by signal 9 \(out of memory\?\)"):
            process.ask({"do": "memory", "phase": "samples"})

    assert children() == []


def test_a_thread_limit_of_the_shell_does_not_reach_it(tiny_bundle, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen = {}
    start = subprocess.Popen

    def watch(*args, **kwargs):
        seen.update(kwargs["env"])
        return start(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", watch)
    with MeasuredProcess(task_of(tiny_bundle)):
        pass

    assert "PATH" in seen
    assert "OMP_NUM_THREADS" not in seen


def test_it_imports_what_an_app_would_and_nothing_else(tiny_bundle):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "slmbench.profiling.worker"],
        input=json.dumps(task_of(tiny_bundle)) + "\n" + json.dumps({"do": "memory", "phase": "samples"}) + "\n",
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    started, told = map(json.loads, done.stdout.splitlines())
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}

    assert {"onnxruntime", "tokenizers", "numpy"} <= imported
    heavy = {"torch", "transformers", "scipy", "pydantic", "sklearn", "pandas", "rich", "typer", "jinja2", "psutil"}
    assert heavy & imported == set()
    assert told["peak_bytes"] > 10_000_000
    assert started["load_bytes"] > 0


def test_memory_is_told_by_phase(tiny_bundle):
    with MeasuredProcess(task_of(tiny_bundle)) as process:
        process.ask({"do": "single", "rows": [0, 1]})
        told = process.ask({"do": "memory", "phase": "samples"})

    assert list(told["phases"]) == ["interpreter", "load", "first answer", "samples"]
    assert told["peak_bytes"] == max(told["phases"].values())
    assert process.started["load_bytes"] == told["phases"]["load"] - told["phases"]["interpreter"]


def test_peaks_are_reset_between_phases_where_that_is_allowed(tmp_path, monkeypatch):
    read = iter([40, 90, 60])
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "clear_refs")
    peaks = PeakTracker(lambda: (next(read), "VmHWM"))

    assert [peaks.end(phase) for phase in ("load", "samples", "batches")] == [40, 90, 90]
    assert (tmp_path / "clear_refs").read_text() == "5"
    assert peaks.report() == {
        "peak_bytes": 90,
        "source": "VmHWM",
        "phases": {"load": 40, "samples": 90, "batches": 60},
        "apart": True,
    }


def test_peaks_that_cannot_be_reset_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "no" / "such")
    peaks = PeakTracker(lambda: (40, "ru_maxrss"))
    peaks.end("load")

    assert peaks.report()["apart"] is False


def test_a_system_that_tells_no_memory():
    peaks = PeakTracker(lambda: (None, None))

    assert peaks.end("load") is None
    assert peaks.report()["peak_bytes"] is None
