"""Signals that end the program become exceptions, so that what was begun is cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

#: Signals that ask a program to end, where the system has them; Python itself raises KeyboardInterrupt of SIGINT.
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


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

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated(number)

    taken = []
    if threading.current_thread() is threading.main_thread():
        taken = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
