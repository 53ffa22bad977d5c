"""The parent's side of a child process: start it, ask, sleep until it answers, and say how it failed.

A fresh process has the threads it is given, and its end frees everything. The child's side is
:class:`slmbench.instruments.pipe.RequestPipe`.
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from slmbench.common.errors import SlmbenchError

#: What the numeric libraries read when they are loaded; a variable left in the user's shell must not decide.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class LostError(SlmbenchError):
    """A child process, or the machine that it ran on, is gone; another one may do its work."""


#: How Python is started: without the working folder on its path, which may hold an untrusted ``types.py``.
PYTHON = (sys.executable, "-P")


class ChildProcess:
    """A Python process that answers requests.

    Args:
        arguments: What the interpreter is told to run.
        what: What the process is, as the subject of a sentence, for errors.
        threads: Threads of its numeric libraries, through the environment; ``None`` leaves them to the libraries.
    """

    def __init__(self, arguments: Sequence[str], *, what: str, threads: int | None = None) -> None:
        self._what = what
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        environment = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
        if threads is not None:
            environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        self._process = subprocess.Popen(
            [*PYTHON, *arguments],
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

    def ask(self, request: dict[str, Any], limit_s: float) -> Any:
        """Send a request and sleep until the answer is there.

        Args:
            request: Any JSON object.
            limit_s: Seconds after which the process is killed.

        Raises:
            LostError: The process failed, was killed, or did not answer in time.
        """
        if self._process.stdin is None:
            raise SlmbenchError(f"{self._what} has no pipes")
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:  # Windows says "invalid argument" of a pipe whose reader has gone
            raise LostError(self._failure_message()) from None
        try:
            answer = self._answers.get(timeout=limit_s)
        except queue.Empty:
            self._process.kill()
            raise LostError(f"{self._what} did not answer within {limit_s:g} s and was stopped") from None
        if not answer:
            raise LostError(self._failure_message())
        return json.loads(answer)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def close(self) -> None:
        """End the process by closing its stdin; it is killed when it does not end within five seconds."""
        if self._process.stdin is not None:
            # What was written to a child that has died cannot be flushed, which close() tries once more.
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, whatever happened: after an error at once, in the middle of its work."""
        if error is not None:
            self._process.kill()
        self.close()

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._answers.put(line)
        self._answers.put("")

    def _failure_message(self) -> str:
        """Say how the process ended; of a traceback the last line says what went wrong."""
        status = self._process.wait()
        if status < 0:
            return f"{self._what} was killed by signal {-status}{' (out of memory?)' if status == -9 else ''}"
        self._errors.seek(0)
        lines = [line for line in self._errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
        last = lines[-1] if lines else f"exit status {status}"
        return f"{self._what} failed: {re.sub(r'^slmbench[.]common[.]errors[.][A-Za-z]+: ', '', last)}"


def ask_child(module: str, request: dict[str, Any], *, what: str, threads: int, limit_s: float) -> Any:
    """Ask one question of a fresh process.

    Args:
        module: Import name of the module that it runs.
        request: The question.
        what: What it does, as the subject of a sentence, for errors.
        threads: Threads of its numeric libraries.
        limit_s: Seconds after which it is killed.

    Returns:
        Its answer.

    Raises:
        SlmbenchError: It failed, was killed, or did not answer in time.
    """
    with ChildProcess(("-m", module), what=what, threads=threads) as child:
        return child.ask(request, limit_s)
