"""A cell that is killed, crashes or hangs is a row with its reason; the rest finishes and nothing is left running."""

import os

import psutil
import pytest
from profiling_helpers import children, task_of

from slmbench.profiling import ProfileOptions, process, profile

#: A worker that misbehaves when it is given fp32: while loading, or when it is asked for the first time.
MISBEHAVING = """
import os, signal, sys, time
from slmbench.profiling import worker

how, when = {how!r}, {when!r}

def misbehave():
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crashes":
        os._exit(7)
    if how == "fails":
        raise MemoryError("bad allocation")
    time.sleep(600)

class Misbehaving(worker.Worker):
    def __init__(self, task):
        self.bad = task["form"] == "fp32"
        if self.bad and when == "loading":
            misbehave()
        super().__init__(task)

    def answer(self, request):
        if self.bad:
            misbehave()
        return super().answer(request)

worker.Worker = Misbehaving
worker.main()
"""


@pytest.mark.parametrize("when", ["loading", "asked"])
@pytest.mark.parametrize(
    ("how", "says"),
    [
        pytest.param(
            "killed",
            "the measured process was killed by signal 9 (out of memory?)",
            marks=pytest.mark.skipif(os.name == "nt", reason="no signals there"),
        ),
        ("crashes", "the measured process failed: exit status 7"),
        ("fails", "the measured process failed: MemoryError: bad allocation"),
        ("hangs", "the measured process did not answer within {limit} s and was stopped"),
    ],
    ids=["killed", "crashes", "fails", "hangs"],
)
def test_the_rest_finishes(bundle, tmp_path, monkeypatch, how, says, when):
    monkeypatch.setattr(process, "WORKER", ("-c", MISBEHAVING.format(how=how, when=when)))
    # Before it is asked it has to load in that time, also on a busy machine.
    limit = 0.5 if when == "loading" else 5.0
    if how == "hangs":
        monkeypatch.setattr(process, "ANSWER_LIMIT_S", limit)
    failures = []

    def failed(cell, error):
        failures.append((cell.form, str(error)))
        monkeypatch.setattr(process, "ANSWER_LIMIT_S", 600.0)

    records = list(
        profile(
            [bundle],
            ProfileOptions(processes=1, time_limit_s=0.1, threads=1),
            output=tmp_path,
            failed=failed,
        )
    )

    assert [record.form for record in records] == ["int8"]
    assert failures == [("fp32", says.format(limit=f"{limit:g}"))]
    assert children() == []


@pytest.mark.skipif(os.name == "nt", reason="no signals there")
def test_a_parent_that_is_killed_leaves_no_worker(tiny_bundle):
    with process.MeasuredProcess(task_of(tiny_bundle)) as made:
        child = psutil.Process(made.pid)
        # What the kernel does with the pipes of a parent that is gone.
        made._process.stdin.close()
        assert child.wait(timeout=30) == 0
