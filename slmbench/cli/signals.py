"""Signals that end the program become exceptions, so that what was begun is cleaned up.

A library may turn an exception that is raised in a callback into another one, so the signal is remembered.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

#: Signals that ask a program to end, where the system has them, and what Python does with each by itself.
_ENDING: dict[int, Any] = {
    getattr(signal, name): usual
    for name, usual in {
        "SIGINT": signal.default_int_handler,
        "SIGTERM": signal.SIG_DFL,
        "SIGHUP": signal.SIG_DFL,
    }.items()
    if hasattr(signal, name)
}
_received: list[int] = []


class Terminated(KeyboardInterrupt):
    """The program was asked to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def signals_raised() -> Iterator[None]:
    """Within the block, a signal that asks the program to end raises :class:`Terminated`.

    One that is ignored, as by ``nohup``, stays ignored. Outside the main thread, which alone can handle signals,
    nothing changes.
    """
    _received.clear()

    def end(number: int, frame: FrameType | None) -> NoReturn:
        _received.append(number)
        raise Terminated(number)

    taken = []
    if threading.current_thread() is threading.main_thread():
        taken = [number for number, usual in _ENDING.items() if signal.getsignal(number) is usual]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, _ENDING[number])


@contextmanager
def signals_first() -> Iterator[None]:
    """Within the block, an error that follows a signal is treated as caused by the signal.

    Raises:
        Terminated: A signal came, and then an error.
    """
    try:
        yield
    except Exception as error:
        if _received:
            raise Terminated(_received[-1]) from error
        raise
