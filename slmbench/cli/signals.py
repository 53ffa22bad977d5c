"""Signals that end the program become exceptions, so that what was begun is cleaned up.

A library may turn an exception that is raised in a callback into another one, so the signal is remembered.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from slmbench.cli.endings import ENDING, end_at_once

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

    taken = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in ENDING}
        taken = {number: one for number, one in before.items() if one in (ENDING[number], end_at_once)}
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, one in taken.items():
            signal.signal(number, one)


def raise_received() -> None:
    """Raise a signal that came within :func:`signals_raised`; typer turns one before a command begins into a status.

    Raises:
        Terminated: A signal came.
    """
    if _received:
        raise Terminated(_received[-1])


def forget_received() -> None:
    """Forget the signals that came: the command has done what they asked for."""
    _received.clear()


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
