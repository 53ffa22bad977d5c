"""The measured process: it loads one form and times what its parent asks for.

For a bundle it imports the edge runtime and nothing else, so that its memory and cold start are those of an app; for
a run, torch and transformers. Between requests it sleeps on the pipe, and the parent sleeps while it works. Its
parent computes statistics.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.instruments.memory import PeakTracker
from slmbench.instruments.pipe import RequestPipe

if TYPE_CHECKING:
    from slmbench.edge.runtime import Classifier
    from slmbench.instruments.gpu import GpuMemory


def main() -> None:
    """Serve requests until stdin closes; the first is the task."""
    pipe = RequestPipe()
    requests = iter(pipe)
    worker = Worker(next(requests))
    pipe.answer(worker.started)
    for request in requests:
        pipe.answer(worker.answer(request))


class Worker:
    """A loaded form and what can be asked of it.

    Args:
        task: ``loader``, ``folder``, ``form``, ``threads`` and ``device``, for which see
            :class:`slmbench.profiling.backends.ProfilingBackend`, the ``texts``, of bundles how many ``workers``
            answer many texts, where it is not one, and the ``seal`` of the one that is meant, and of a service its
            ``url``.

    Attributes:
        started: ``load_ms``, ``first_ms``, ``load_bytes``, and ``meter_ms``, which is not the app's: opening NVML.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        self._peaks = PeakTracker()
        self._texts: list[str] = task["texts"]
        self._warmed: set[int | None] = set()
        opened = time.perf_counter()
        self._gpu = _gpu_memory() if task["device"] == "cuda" else None
        meter_ms = (time.perf_counter() - opened) * 1e3
        before = self._peaks.end("interpreter")
        # Importing the runtime is part of what an app pays for loading.
        began = time.perf_counter()
        if self._gpu is not None:
            self._gpu.begin()
        self._classifier: Classifier = _load(task)
        if task.get("seal") and hasattr(self._classifier, "check_seal"):  # of a plug-in's backend it need not
            self._classifier.check_seal(task["seal"])
        loaded = time.perf_counter()
        after = self._peaks.end("load")
        first = time.perf_counter()
        self._classifier.predict(self._texts[0])
        self.started = {
            "load_ms": (loaded - began) * 1e3,
            "first_ms": (time.perf_counter() - first) * 1e3,
            "load_bytes": after - before if after is not None and before is not None else None,
            "meter_ms": meter_ms,
        }
        self._peaks.end("first answer")

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Call the method that ``request["do"]`` names with the rest of the request as arguments."""
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "single": self.single,
            "further": self.further,
            "batches": self.batches,
            "serve": self.serve,
            "arrive": self.arrive,
            "answers": self.answers,
            "memory": self.memory,
        }
        return actions[request.pop("do")](**request)

    def single(self, rows: list[int], lead: bool = False) -> dict[str, Any]:
        """Time reviews one by one, with ``lead`` after an untimed one; returns times (ms) and label indices."""
        self._warm_up_shapes(None)
        texts = [self._texts[row % len(self._texts)] for row in rows]
        if lead:
            self._classifier.predict(texts[0])
        timed = [self._time(text) for text in texts]
        number = {label: index for index, label in enumerate(self._classifier.labels)}
        return {"ms": [ms for ms, _ in timed], "labels": [number[label] for _, label in timed]}

    def further(self, texts: list[str]) -> dict[str, Any]:
        """Time further texts, each once after an untimed one; returns times (ms)."""
        self._run_every_shape(texts, None)
        # The first answer after the request, whose texts have just replaced the model in the caches, takes longer.
        self._classifier.predict(texts[0])
        return {"ms": [self._time(text)[0] for text in texts]}

    def batches(
        self, batch_tokens: int | None, each: bool = False, reviews: int | None = None, answers: bool = False
    ) -> dict[str, Any]:
        """Time a pass over the first ``reviews``, or all, in batches of up to ``batch_tokens`` tokens.

        Without ``batch_tokens`` they run one at a time; with ``each`` the batches are timed separately; with
        ``answers`` the index of the label of each review is returned as well.
        """
        self._warm_up_shapes(batch_tokens)
        began = time.perf_counter()
        if not each or batch_tokens is None:
            probabilities = self._classifier.predict_proba(self._texts[:reviews], batch_tokens=batch_tokens)
            timed = {"s": time.perf_counter() - began}
            return {**timed, "labels": probabilities.argmax(1).tolist()} if answers else timed
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
        """Serve reviews as they arrive, first come, first served; stop once too many were late, or time is over.

        The latency of a review counts from when it was due to arrive, not from when the server turned to it: waiting
        behind a stalled server counts (leaving it out is what G. Tene calls coordinated omission).
        """
        self._warm_up_shapes(None)
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

    def arrive(self, **request: Any) -> dict[str, Any]:
        """Let reviews arrive at a service; see :meth:`slmbench.profiling.outside.ServiceClient.serve`."""
        return self._classifier.serve(self._texts, **request)  # type: ignore[attr-defined]

    def answers(self, rows: list[int], batch_tokens: int | None = None) -> dict[str, Any]:
        """Answer reviews one by one or in batches, untimed; returns the probabilities and the tokens of each."""
        texts = [self._texts[row] for row in rows]
        probabilities = self._classifier.predict_proba(texts, batch_tokens=batch_tokens).tolist()
        return {"probabilities": probabilities, "tokens": self._classifier.token_lengths(texts)}

    def memory(self, phase: str) -> dict[str, Any]:
        """End a phase; returns :meth:`PeakTracker.report` and the peaks of the GPU."""
        self._peaks.end(phase)
        return {**self._peaks.report(), "gpu": None if self._gpu is None else vars(self._gpu.peak())}

    def _time(self, text: str) -> tuple[float, str]:
        began = time.perf_counter_ns()
        predictions = self._classifier.predict(text)
        taken = time.perf_counter_ns() - began
        return taken / 1e6, predictions[0].label

    def _warm_up_shapes(self, batch_tokens: int | None) -> None:
        """Run every review before the first is timed."""
        if batch_tokens not in self._warmed:
            self._warmed.add(batch_tokens)
            self._run_every_shape(self._texts, batch_tokens)

    def _run_every_shape(self, texts: list[str], batch_tokens: int | None) -> None:
        """Run texts untimed, as often as the form needs to be as fast as it gets.

        Compiled models need it: a new shape costs them more than one that was seen before.
        """
        for _ in range(getattr(self._classifier, "warm_up_passes", 0)):
            self._classifier.predict_proba(texts, batch_tokens=batch_tokens)


def _load(task: dict[str, Any]) -> Classifier:
    """Import what runs the form, and load it."""
    module, _, name = task["loader"].partition(":")
    load = getattr(importlib.import_module(module), name)
    more = {name: task[name] for name in ("workers", "url") if name in task}
    return load(Path(task["folder"]), form=task["form"], threads=task["threads"], device=task["device"], **more)


def _gpu_memory() -> GpuMemory:
    """Return what tracks the GPU's memory, NVML opened."""
    from slmbench.instruments.gpu import GpuError, GpuMemory, open_gpu

    try:
        return GpuMemory(open_gpu())
    except GpuError as error:
        return GpuMemory(None, str(error))


if __name__ == "__main__":
    main()
