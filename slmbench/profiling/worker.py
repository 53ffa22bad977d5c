"""The measured process: it loads one bundle form and times what its parent asks for.

It imports the edge runtime and nothing else, so that its memory and cold start are those of an app. It speaks
JSON lines: one request on stdin, one answer on stdout; between requests it sleeps on the pipe, and the parent
sleeps while it works. Statistics are the parent's business.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slmbench.edge.runtime import Classifier


def main() -> None:
    """Serve requests until stdin closes."""
    # The runtime's libraries may write to stdout; answers go to a copy of it that nobody else knows.
    answers = sys.stdout
    sys.stdout = sys.stderr
    worker = _Worker(json.loads(sys.stdin.readline()))
    answers.write(json.dumps(worker.started) + "\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()


class _Worker:
    def __init__(self, task: dict[str, Any]) -> None:
        from slmbench.edge.memory import high_water_mark

        self._high_water_mark = high_water_mark
        before = high_water_mark()[0]
        self._texts: list[str] = task["texts"]
        # Importing the runtime is part of what an app pays for loading.
        began = time.perf_counter()
        from slmbench.edge.runtime import Classifier

        self._classifier: Classifier = Classifier(task["bundle"], form=task["form"], threads=task["threads"])
        loaded = time.perf_counter()
        after = high_water_mark()[0]
        self._classifier.predict(self._texts[0])
        self.started = {
            "load_ms": (loaded - began) * 1e3,
            "first_ms": (time.perf_counter() - loaded) * 1e3,
            "load_bytes": after - before if after is not None and before is not None else None,
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one thing: ``single`` times reviews one by one, ``offline`` whole passes, ``memory`` reads the peak."""
        if request["do"] == "single":
            return {"ms": [self._time(self._texts[row % len(self._texts)]) for row in request["rows"]]}
        if request["do"] == "offline":
            began = time.perf_counter()
            self._classifier.predict_proba(self._texts, batch_tokens=request["batch_tokens"])
            return {"s": time.perf_counter() - began}
        peak, source = self._high_water_mark()
        return {"peak_bytes": peak, "source": source}

    def _time(self, text: str) -> float:
        began = time.perf_counter_ns()
        self._classifier.predict(text)
        return (time.perf_counter_ns() - began) / 1e6


if __name__ == "__main__":
    main()
