"""A measured process, as its parent sees it: started for one form, asked, and never waited for by burning the CPU."""

from __future__ import annotations

import time
from typing import Any

from slmbench.instruments.children import ChildProcess

#: Nothing asked of a measured process may take longer; a hang becomes a failed cell, not a hung command.
ANSWER_LIMIT_S = 600.0
#: What the interpreter is told to run.
WORKER = ("-m", "slmbench.profiling.worker")


class MeasuredProcess(ChildProcess):
    """A fresh child process that has loaded one form and answered once.

    Args:
        task: What it is told; see :class:`slmbench.profiling.worker.Worker`.

    Attributes:
        started: Its first answer: ``load_ms``, ``first_ms``, ``load_bytes``, ``meter_ms``.
        cold_ms: From starting the process to that answer, as the parent sees it, without the time of the meters.

    Raises:
        SlmbenchError: The child failed; the message says how.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        began = time.perf_counter()
        super().__init__(WORKER, what="the measured process")
        try:
            self.started = self.ask(task)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        self.cold_ms = (time.perf_counter() - began) * 1e3 - self.started["meter_ms"]

    def ask(self, request: dict[str, Any], limit_s: float | None = None) -> dict[str, Any]:
        """Send a request and sleep until the answer is there.

        Args:
            request: What to do; see :meth:`slmbench.profiling.worker.Worker.answer`.
            limit_s: Maximum time for the answer (s); :data:`ANSWER_LIMIT_S` when not given.

        Raises:
            SlmbenchError: The child died or does not answer.
        """
        return super().ask(request, ANSWER_LIMIT_S if limit_s is None else limit_s)
