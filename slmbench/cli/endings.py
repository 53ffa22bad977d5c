"""How a signal ends the program: which signals, the sentence, and the exit status.

Only ``os`` and ``signal`` are imported here, so that the time is short in which Python would answer with a traceback.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # as typing has it, whose import would take longest here
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

#: Signals that ask a program to end, where the system has them, and what Python does with each by itself.
ENDING = {
    getattr(signal, name): usual
    for name, usual in {
        "SIGINT": signal.default_int_handler,
        "SIGTERM": signal.SIG_DFL,
        "SIGHUP": signal.SIG_DFL,
    }.items()
    if hasattr(signal, name)
}


def ending_of(number: int) -> tuple[str, int]:
    """Return the sentence with which a signal ends the program, and its exit status, as shells have it."""
    word = "interrupted" if number == signal.SIGINT else "terminated"
    return f"{word}; run the same command again", 128 + number


def end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal while there is nothing to clean up: modules are being imported, or the command is done."""
    sentence, status = ending_of(number)
    os.write(2, f"error: {sentence}\n".encode())
    os._exit(status)
