"""The measured process: it loads one form and times what its parent asks for.

Of a bundle it imports the edge runtime and nothing else, so that its memory and cold start are those of an app; of a
run torch and transformers. It speaks JSON lines: one request on stdin, one answer on stdout; between requests it
sleeps on the pipe, and the parent sleeps while it works. Statistics are the parent's business.
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
    from slmbench.instruments.gpu.memory import GpuMemory

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
        task: ``form``, ``threads`` and ``texts``; of a bundle ``bundle``, and ``provider`` where it is not the CPU's
            own; of a run ``run``, ``device``, ``precision`` and ``mode``.

    Attributes:
        started: ``load_ms``, ``first_ms``, ``load_bytes``, and ``meter_ms``, which is not the app's: opening NVML.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        from slmbench.instruments.memory import high_water_mark

        self._marks = Marks(high_water_mark)
        self._texts: list[str] = task["texts"]
        # Compiled models pay once for each new shape. CUDA graphs pay twice: torch runs a shape as it is when it
        # first comes, captures its graph when it comes again, and replays it from the third time on.
        self._payments = {"compile": 1, "graphs": 2}.get(task.get("mode", "eager"), 0)
        self._paid: set[int | None] = set()
        opened = time.perf_counter()
        self._gpu = _gpu_memory(task)
        meter_ms = (time.perf_counter() - opened) * 1e3
        before = self._marks.end("interpreter")
        # Importing the runtime is part of what an app pays for loading.
        began = time.perf_counter()
        if self._gpu is not None:
            self._gpu.begin()
        self._classifier: Classifier = _load(task)
        loaded = time.perf_counter()
        after = self._marks.end("load")
        first = time.perf_counter()
        self._classifier.predict(self._texts[0])
        self.started = {
            "load_ms": (loaded - began) * 1e3,
            "first_ms": (time.perf_counter() - first) * 1e3,
            "load_bytes": after - before if after is not None and before is not None else None,
            "meter_ms": meter_ms,
        }
        self._marks.end("first answer")

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one thing, ``request["do"]`` naming a method below and the rest its arguments."""
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "single": self.single,
            "batches": self.batches,
            "serve": self.serve,
            "answers": self.answers,
            "memory": self.memory,
        }
        return actions[request.pop("do")](**request)

    def single(self, rows: list[int], lead: bool = False) -> dict[str, Any]:
        """Time reviews one by one, with ``lead`` after one that is not timed; returns the labels' numbers, too."""
        self._pay_for_shapes(None)
        texts = [self._texts[row % len(self._texts)] for row in rows]
        if lead:
            self._classifier.predict(texts[0])
        timed = [self._time(text) for text in texts]
        number = {label: index for index, label in enumerate(self._classifier.labels)}
        return {"ms": [ms for ms, _ in timed], "labels": [number[label] for _, label in timed]}

    def batches(self, batch_tokens: int | None, each: bool = False, reviews: int | None = None) -> dict[str, Any]:
        """Time a pass over all reviews, or the first so many, in batches of so many tokens.

        Without a number of tokens they run one at a time; with ``each`` every batch is timed by itself.
        """
        self._pay_for_shapes(batch_tokens)
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
        self,
        arrivals_s: list[float],
        late_ms: float | None = None,
        most_late: int | None = None,
        limit_s: float | None = None,
    ) -> dict[str, Any]:
        """Serve reviews as they arrive, first come, first served; give up once too many were late, or time is over.

        A review's time runs from when it was due to arrive, not from when the server turned to it: a server that
        stalls does not stop the clock of those that wait (coordinated omission, as G. Tene calls the mistake).
        """
        self._pay_for_shapes(None)
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
            if limit_s is not None and time.perf_counter() - began > limit_s:
                break
        return {"ms": taken, "wait_ms": waited, "s": time.perf_counter() - began, "late": late}

    def answers(self, rows: list[int], batch_tokens: int | None = None) -> dict[str, Any]:
        """Answer reviews, one by one or in batches, not timed; returns the probabilities and tokens of each."""
        texts = [self._texts[row] for row in rows]
        probabilities = self._classifier.predict_proba(texts, batch_tokens=batch_tokens).tolist()
        return {"probabilities": probabilities, "tokens": self._classifier.token_lengths(texts)}

    def memory(self, phase: str) -> dict[str, Any]:
        """End a phase; returns the peaks of all so far, the highest, whether they are apart, and the GPU's."""
        self._marks.end(phase)
        return {**self._marks.report(), "gpu": None if self._gpu is None else vars(self._gpu.peak())}

    def _time(self, text: str) -> tuple[float, str]:
        began = time.perf_counter_ns()
        said = self._classifier.predict(text)
        taken = time.perf_counter_ns() - began
        return taken / 1e6, said[0].label

    def _pay_for_shapes(self, batch_tokens: int | None) -> None:
        """Run every review before the first is timed, where a new shape costs more than when it comes again."""
        if batch_tokens in self._paid:
            return
        self._paid.add(batch_tokens)
        for _ in range(self._payments):
            self._classifier.predict_proba(self._texts, batch_tokens=batch_tokens)


def _load(task: dict[str, Any]) -> Classifier:
    """Import what runs the form, and load it."""
    if "run" in task:
        from slmbench.profiling.torch.backend import TorchBackend, TorchClassifier

        chosen = {name: task[name] for name in ("device", "precision", "mode", "threads")}
        return TorchClassifier(TorchBackend(Path(task["run"]), **chosen), task["form"])
    from slmbench.edge.runtime import Classifier

    return Classifier(
        task["bundle"], form=task["form"], threads=task["threads"], provider=task.get("provider", "cpu")
    )


def _gpu_memory(task: dict[str, Any]) -> GpuMemory | None:
    """Return what watches the GPU's memory, NVML opened; ``None`` on the CPU."""
    if "cuda" not in (task.get("provider"), task.get("device")):
        return None
    from slmbench.instruments.gpu.memory import GpuMemory
    from slmbench.instruments.gpu.nvml import GpuError, open_gpu

    gpu, reason = None, ""
    try:
        gpu = open_gpu()
    except GpuError as error:
        reason = str(error)
    return GpuMemory(gpu, reason, allocator="run" in task)


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
