"""A measured process that is none: it answers at once, with latencies made up by the test."""

from itertools import cycle


class Clock:
    """A clock that only moves when told."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


class FakeProcess:
    """Answers like ``MeasuredProcess``; each timed review takes the next of ``ms`` on the clock."""

    def __init__(self, ms, clock=None, peak=50_000_000, load=20_000_000):
        self._ms = iter(ms)
        self._clock = clock
        self._peak = peak
        self.asked = []
        self.started = {"load_ms": 40.0, "first_ms": 2.0, "load_bytes": load}
        self.cold_ms = 120.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.asked.append({"do": "end"})

    def ask(self, request):
        self.asked.append(request)
        if request["do"] == "single":
            taken = [next(self._ms) for _ in request["rows"]]
            if self._clock:
                self._clock.now += sum(taken) / 1e3
            return {"ms": taken}
        if request["do"] == "offline":
            return {"s": 0.5}
        return {"peak_bytes": self._peak, "source": "VmHWM" if self._peak else None}

    @property
    def rows(self):
        """Rows timed, in the order they were asked for."""
        return [row for request in self.asked if request["do"] == "single" for row in request["rows"]]


def steady(ms=2.0):
    """Latencies that hardly vary."""
    return cycle([ms, ms * 1.001, ms * 0.999])


def wild(ms=2.0):
    """Latencies whose median cannot be told: half fast, half slow."""
    return cycle([ms, ms * 3])
