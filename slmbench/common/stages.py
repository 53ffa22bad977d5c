"""Where the time of a command goes: each stage is declared once, and a clock adds up the time spent in each.

Code that belongs to a stage runs inside ``with stage("…")``; where nobody keeps a clock, nothing happens. A stage
inside another one is not counted for the outer one, so that the parts add up to the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: What each stage does, by its key, in the order of a table.
STAGES = {
    "fetch": "fetching weights and reviews",
    "corpus": "reading reviews",
    "training": "training",
    "teacher": "answers of teachers",
    "testing": "answers of the trained model to the test reviews",
    "exporting": "writing ONNX and describing graphs",
    "quantizing": "making forms",
    "search": "finding products to keep in float",
    "judging": "answers of forms, one review at a time",
    "judging_batches": "answers of forms in batches",
    "gain": "timing forms against fp32",
    "sealing": "sealing answers for confirmation",
    "profiling": "profiling",
    "versus": "timing close rows alternately",
    "deciding": "deciding",
    "other": "everything else",
}


class StageClock:
    """Seconds by stage and by what they were spent on.

    Args:
        now: Where the time comes from (s).

    Attributes:
        seconds: By stage, of :data:`STAGES`, and rung; the rung is ``None`` for what belongs to no single one.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[tuple[str, str | None], float] = {}
        self._now = now
        self._inside: list[tuple[str, str | None]] = [("other", None)]
        self._since = now()

    def charge(self) -> None:
        """Add the time since the last call to the stage that is running."""
        now, place = self._now(), self._inside[-1]
        self.seconds[place] = self.seconds.get(place, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def within(self, stage: str | None, rung: str | None) -> Iterator[None]:
        """Charge the time inside to a stage and a rung; of either, ``None`` leaves the one that is running."""
        running = self._inside[-1]
        self.charge()
        self._inside.append((stage or running[0], rung or running[1]))
        try:
            yield
        finally:
            self.charge()
            self._inside.pop()


_CLOCK: ContextVar[StageClock | None] = ContextVar("stage clock", default=None)


@contextmanager
def stage_clock(clock: StageClock | None = None) -> Iterator[StageClock]:
    """Keep a clock: stages that run inside are added up on it.

    Args:
        clock: The clock; a new one when not given.
    """
    clock = clock or StageClock()
    token = _CLOCK.set(clock)
    try:
        yield clock
    finally:
        clock.charge()
        _CLOCK.reset(token)


@contextmanager
def stage(name: str | None, *, rung: str | None = None) -> Iterator[None]:
    """Charge the time inside to a stage.

    Args:
        name: One of :data:`STAGES`; ``None`` leaves the stage that is running.
        rung: What it is spent on; the one that is running when not given.
    """
    if name is not None and name not in STAGES:
        raise KeyError(f"no stage is called '{name}'")
    clock = _CLOCK.get()
    if clock is None:
        yield
        return
    with clock.within(name, rung):
        yield
