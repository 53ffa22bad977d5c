"""One question to a fresh process, which has the threads it is told, and whose end frees everything; how it ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

from slmbench.common.errors import SlmbenchError

#: What the numeric libraries read when they are loaded; a variable left in the user's shell must not decide.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def ask_child(module: str, request: dict[str, Any], *, what: str, threads: int, limit_s: float) -> Any:
    """Run a module in a fresh process; it reads a JSON document from stdin and writes one to stdout.

    Args:
        module: Import name of the module.
        request: What it is asked.
        what: What it does, as the subject of a sentence, for errors.
        threads: Threads of its numeric libraries.
        limit_s: Seconds after which it is ended.

    Returns:
        Its answer.

    Raises:
        SlmbenchError: It failed, was killed, or did not answer in time.
    """
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        raise SlmbenchError(f"{what} did not end within {limit_s:.0f} s and was stopped") from None
    if done.returncode:
        raise SlmbenchError(f"{what} {how_it_ended(done.returncode, done.stderr)}")
    return json.loads(done.stdout)


def how_it_ended(status: int, stderr: str) -> str:
    """Say what became of a process that failed, as the predicate of a sentence.

    Args:
        status: Its exit status; below 0 the number of the signal that killed it.
        stderr: What it wrote there; of a traceback the last line says what went wrong.
    """
    if status < 0:
        return f"was killed by signal {-status}{' (out of memory?)' if status == -9 else ''}"
    lines = [line for line in stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit status {status}"
    return f"failed: {re.sub(r'^slmbench[.]common[.]errors[.][A-Za-z]+: ', '', last)}"
