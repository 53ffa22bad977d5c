"""The parent's side of a measured process: start it, ask, wait without burning the CPU it is timed on."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError
from slmbench.instruments.roofline.child import THREAD_VARIABLES, how_it_ended

if TYPE_CHECKING:
    from types import TracebackType

#: Nothing asked of a worker may take longer; a hang becomes a failed cell, not a hung command.
ANSWER_LIMIT_S = 600.0
#: What the interpreter is told to run.
WORKER = ("-m", "slmbench.profiling.worker")


class MeasuredProcess:
    """A fresh child process that has loaded one form and answered once.

    Attributes:
        started: Its first answer: ``load_ms``, ``first_ms``, ``load_bytes``, ``meter_ms``.
        cold_ms: From starting the process to that answer, as the parent sees it, what the meters took left out.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        """Start the process and wait until it has classified its first text.

        Args:
            task: What the worker is told; see :class:`slmbench.profiling.worker.Worker`.

        Raises:
            SlmbenchError: The child failed; the message carries its last words.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # Only what the worker is told limits its threads, not a variable left in the user's shell.
        environment = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
        request = json.dumps(task) + "\n"
        began = time.perf_counter()
        self._child = subprocess.Popen(
            [sys.executable, *WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        # A thread that sleeps in readline is the one way to wait for a pipe with a limit on every system.
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.started = self._exchange(request)
        except BaseException:
            self._end()
            raise
        self.cold_ms = (time.perf_counter() - began) * 1e3 - self.started["meter_ms"]

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and sleep until the answer is there.

        Raises:
            SlmbenchError: The child died or does not answer.
        """
        return self._exchange(json.dumps(request) + "\n")

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def _read(self) -> None:
        if self._child.stdout is not None:
            for line in self._child.stdout:
                self._answers.put(line)
        self._answers.put("")

    def _exchange(self, line: str) -> dict[str, Any]:
        if self._child.stdin is None:
            raise SlmbenchError("the measured process has no pipes")
        try:
            self._child.stdin.write(line)
            self._child.stdin.flush()
        except OSError:  # Windows says "invalid argument" of a pipe whose reader has gone
            raise SlmbenchError(self._last_words()) from None
        try:
            answer = self._answers.get(timeout=ANSWER_LIMIT_S)
        except queue.Empty:
            self._child.kill()
            raise SlmbenchError(f"the measured process did not answer within {ANSWER_LIMIT_S:g} s") from None
        if not answer:
            raise SlmbenchError(self._last_words())
        return json.loads(answer)

    def _last_words(self) -> str:
        status = self._child.wait()
        self._errors.seek(0)
        return f"the measured process {how_it_ended(status, self._errors.read().decode('utf-8', 'replace'))}"

    def __enter__(self) -> MeasuredProcess:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child, whatever happened."""
        self._end()

    def _end(self) -> None:
        if self._child.stdin is not None:
            # What was written to a child that has died cannot be flushed, which close() tries once more.
            with suppress(OSError):
                self._child.stdin.close()
        try:
            self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._errors.close()
