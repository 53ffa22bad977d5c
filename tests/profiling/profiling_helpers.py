"""A measured process that is none: it answers at once, with latencies made up by the test."""

import os
from itertools import cycle

import numpy as np
import psutil

from slmbench.profiling.backends import ONNXRUNTIME


def task_of(bundle, form="int8", **changes):
    """What a measured process is told of a bundle."""
    usual = {"loader": ONNXRUNTIME.loader, "device": "cpu", "threads": 1, "texts": ["superb", "the worst film ever"]}
    return {**usual, "folder": str(bundle), "form": form, **changes}


class Clock:
    """A clock that only moves when told."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


class FakeProcess:
    """Answers like ``MeasuredProcess``; each timed review takes the next of ``ms`` on the clock.

    ``labels`` are the numbers of the labels given, by row; ``gpu`` is what it tells of a GPU's memory.
    """

    def __init__(self, ms, clock=None, peak=50_000_000, load=20_000_000, passes=None, labels=(0,), gpu=None):
        self._ms = iter(ms)
        self._passes = iter(passes or cycle([0.5]))
        self._clock = clock
        self._peak = peak
        self._labels = labels
        self._gpu = gpu
        self.pid = os.getpid()
        self.asked = []
        self.started = {"load_ms": 40.0, "first_ms": 2.0, "load_bytes": load, "meter_ms": 0.0}
        self.cold_ms = 120.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.asked.append({"do": "end"})

    def ask(self, request):
        self.asked.append(request)
        answer = getattr(self, f"_{request['do']}")(**{key: value for key, value in request.items() if key != "do"})
        if self._clock:
            self._clock.now += sum(answer.get("ms", ())) / 1e3 + answer.get("s", 0.0)
        return answer

    def _single(self, rows, lead=False):
        labels = [self._labels[row % len(self._labels)] for row in rows]
        return {"ms": [next(self._ms) for _ in rows], "labels": labels}

    def _further(self, texts):
        return {"ms": [next(self._ms) for _ in texts]}

    def _batches(self, batch_tokens, each=False, reviews=None, answers=False):
        if reviews is not None:  # the batches before those that are timed
            return {"s": 0.05}
        if answers:
            labels = [self._labels[row % len(self._labels)] for row in range(len(self.task["texts"]))]
            return {"s": next(self._passes), "labels": labels}
        return {"s": next(self._passes), "ms": [4.0, 6.0, 8.0]} if each else {"s": next(self._passes)}

    def _answers(self, rows, batch_tokens=None):
        labels = [self._labels[row % len(self._labels)] for row in rows]
        return {"probabilities": np.eye(2)[labels].tolist(), "tokens": [10] * len(rows)}

    def _serve(self, arrivals_s, late_ms=None, most_late=None, limit_s=None):
        """A real queue, in time that is made up: each review is taken up when the one before it is done."""
        free, taken, waited, late = 0.0, [], [], 0
        for due in arrivals_s:
            began = max(due, free)
            free = began + next(self._ms) / 1e3
            waited.append((began - due) * 1e3)
            taken.append((free - due) * 1e3)
            late += late_ms is not None and taken[-1] > late_ms
            if (most_late is not None and late > most_late) or (limit_s is not None and free > limit_s):
                break
        return {"ms": taken, "wait_ms": waited, "s": free, "late": late}

    def _memory(self, phase):
        phases = {"interpreter": 10_000_000, phase: self._peak} if self._peak else {}
        return {
            "peak_bytes": self._peak,
            "source": "VmHWM" if self._peak else None,
            "phases": phases,
            "apart": True,
            "gpu": self._gpu,
        }

    @property
    def rows(self):
        """Rows timed, in the order they were asked for."""
        return [row for request in self.asked if request["do"] == "single" for row in request["rows"]]


class FirstOnesShort(FakeProcess):
    """Takes so long for each of the first twenty rows, and three times as long for the others."""

    def __init__(self, ms, clock):
        super().__init__(steady(), clock)
        self._each = ms

    def _single(self, rows, lead=False):
        return {"ms": [self._each * (1 if row < 20 else 3) for row in rows], "labels": [0] * len(rows)}

    def _batches(self, batch_tokens, each=False, reviews=None):
        return {"s": self._each * reviews / 1e3}


def steady(ms=2.0):
    """Latencies that hardly vary."""
    return cycle([ms, ms * 1.001, ms * 0.999])


def wild(ms=2.0):
    """Latencies whose median has a wide interval: half fast, half slow."""
    return cycle([ms, ms * 3])


def children():
    """Return the measured processes; others may be alive, such as multiprocessing's tracker of an earlier test."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if any("slmbench" in word for word in child.cmdline())]
