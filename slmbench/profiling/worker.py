"""The measured process: it loads one bundle form and times what its parent asks for.

It imports the edge runtime and nothing else, so that its memory and cold start are those of an app. It speaks
JSON lines: one request on stdin, one answer on stdout; between requests it sleeps on the pipe, and the parent
sleeps while it works. Statistics are the parent's business.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from slmbench.edge.runtime import Classifier

#: Where Linux lets a process set its own high-water mark back to its present size, and what has to be written.
CLEAR_REFS, CLEAR_HIGH_WATER_MARK = Path("/proc/self/clear_refs"), "5"


def main() -> None:
    """Serve requests until stdin closes."""
    # The runtime's libraries may write to stdout; answers go to a copy of it that nobody else knows.
    answers = sys.stdout
    sys.stdout = sys.stderr
    worker = Worker(json.loads(sys.stdin.readline()))
    answers.write(json.dumps(worker.started) + "\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()


class Worker:
    """A loaded form and what can be asked of it.

    Args:
        task: ``bundle``, ``form``, ``threads`` and ``texts``; ``provider`` where it is not the CPU's own.

    Attributes:
        started: ``load_ms``, ``first_ms``, ``load_bytes``.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        from slmbench.edge.memory import high_water_mark

        self._marks = Marks(high_water_mark)
        self._texts: list[str] = task["texts"]
        before = self._marks.end("interpreter")
        # Importing the runtime is part of what an app pays for loading.
        began = time.perf_counter()
        from slmbench.edge.runtime import Classifier

        self._classifier: Classifier = Classifier(
            task["bundle"], form=task["form"], threads=task["threads"], provider=task.get("provider", "cpu")
        )
        loaded = time.perf_counter()
        after = self._marks.end("load")
        first = time.perf_counter()
        self._classifier.predict(self._texts[0])
        self.started = {
            "load_ms": (loaded - began) * 1e3,
            "first_ms": (time.perf_counter() - first) * 1e3,
            "load_bytes": after - before if after is not None and before is not None else None,
        }
        self._marks.end("first answer")

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one thing, ``request["do"]`` naming a method below and the rest its arguments."""
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "single": self.single,
            "batches": self.batches,
            "serve": self.serve,
            "memory": self.memory,
        }
        return actions[request.pop("do")](**request)

    def single(self, rows: list[int], lead: bool = False) -> dict[str, Any]:
        """Time reviews one by one; with ``lead`` after one that is not timed."""
        texts = [self._texts[row % len(self._texts)] for row in rows]
        if lead:
            self._classifier.predict(texts[0])
        return {"ms": [self._time(text) for text in texts]}

    def batches(self, batch_tokens: int | None, each: bool = False, reviews: int | None = None) -> dict[str, Any]:
        """Time a pass over all reviews, or the first so many, in batches of so many tokens.

        Without a number of tokens they run one at a time; with ``each`` every batch is timed by itself.
        """
        began = time.perf_counter()
        if not each or batch_tokens is None:
            self._classifier.predict_proba(self._texts[:reviews], batch_tokens=batch_tokens)
            return {"s": time.perf_counter() - began}
        from slmbench.edge.runtime import batches_by_tokens

        taken = []
        for batch in batches_by_tokens(self._classifier.token_lengths(self._texts), batch_tokens):
            texts = [self._texts[row] for row in batch]
            start = time.perf_counter_ns()
            self._classifier.predict_proba(texts, batch_tokens=batch_tokens)
            taken.append((time.perf_counter_ns() - start) / 1e6)
        return {"s": time.perf_counter() - began, "ms": taken}

    def serve(
        self, arrivals_s: list[float], late_ms: float | None = None, most_late: int | None = None
    ) -> dict[str, Any]:
        """Serve reviews as they arrive, first come, first served; give up once too many were late.

        A review's time runs from when it was due to arrive, not from when the server turned to it: a server that
        stalls does not stop the clock of those that wait (coordinated omission, as G. Tene calls the mistake).
        """
        taken: list[float] = []
        waited: list[float] = []
        late = 0
        began = time.perf_counter()
        for row, due in enumerate(arrivals_s):
            idle = began + due - time.perf_counter()
            if idle > 0:
                time.sleep(idle)
            waited.append((time.perf_counter() - began - due) * 1e3)
            self._classifier.predict(self._texts[row % len(self._texts)])
            taken.append((time.perf_counter() - began - due) * 1e3)
            late += late_ms is not None and taken[-1] > late_ms
            if most_late is not None and late > most_late:
                break
        return {"ms": taken, "wait_ms": waited, "s": time.perf_counter() - began, "late": late}

    def memory(self, phase: str) -> dict[str, Any]:
        """End a phase; returns the peaks of all so far, the highest of them, and whether they are apart."""
        self._marks.end(phase)
        return self._marks.report()

    def _time(self, text: str) -> float:
        began = time.perf_counter_ns()
        self._classifier.predict(text)
        return (time.perf_counter_ns() - began) / 1e6


class Marks:
    """High-water marks by phase: the kernel's mark is read at a phase's end and set back where that is allowed."""

    def __init__(self, high_water_mark: Callable[[], tuple[int | None, str | None]]) -> None:
        self._read = high_water_mark
        self._phases: dict[str, int] = {}
        self._apart = True
        self._source: str | None = None

    def end(self, phase: str) -> int | None:
        """End a phase; returns the highest mark so far."""
        peak, self._source = self._read()
        if peak is None:
            return None
        self._phases[phase] = max(peak, self._phases.get(phase, 0))
        highest = max(self._phases.values())
        try:
            CLEAR_REFS.write_text(CLEAR_HIGH_WATER_MARK, encoding="ascii")
        except OSError:  # another system, or a sandbox
            self._apart = False
        return highest

    def report(self) -> dict[str, Any]:
        """Return what is known of memory."""
        return {
            "peak_bytes": max(self._phases.values(), default=None),
            "source": self._source,
            "phases": self._phases,
            "apart": self._apart,
        }


if __name__ == "__main__":
    main()
