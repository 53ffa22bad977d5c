"""Progress of long work: a bar on a terminal, plain lines in a log or a pipe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slmbench.common.formatting import minutes
from slmbench.common.progress import Task

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn
    from rich.progress import Task as RichTask


#: Without a terminal, work shorter than this shows nothing, in seconds.
QUIET_S = 5.0
#: Without a terminal, the second line comes after this many seconds; each later interval is twice as long, up to a
#: minute.
LINE_INTERVAL_S = 10.0
_MAX_INTERVAL_S = 60.0
#: Tasks of at most this many steps (forms, cells, epochs) get a line per step, but none within so many seconds of the
#: last one.
_FEW_STEPS = 50
_MIN_STEP_S = 5.0
#: A new description (the end of an epoch) is written unless a line was written so many seconds ago.
_MIN_DESCRIPTION_S = 2.0


@contextmanager
def bar(console: Console, description: str, total: float | None, unit: str) -> Iterator[Task]:
    """Draw a progress bar with the time left; it vanishes when the work is done.

    Args:
        console: A terminal.
        description: What is being done.
        total: Number of steps, if known.
        unit: What is counted; ``"bytes"`` are written as MB. Nothing where steps are not counted.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if unit:
        amount = [DownloadColumn()] if unit == "bytes" else [MofNCompleteColumn(), TextColumn(unit)]
        rate = [TransferSpeedColumn()] if unit == "bytes" else [_rate_column(unit)]
        columns += [BarColumn(bar_width=30), *amount, *rate, TimeRemainingColumn(), TextColumn("left")]
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bars:
        yield _Bar(bars, description, total)


def _rate_column(unit: str) -> ProgressColumn:
    """Return a column with the steps of a second, where there is more than one."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: RichTask) -> Text:
            return Text(f"{task.speed:,.0f} {unit}/s" if task.speed and task.speed >= 1 else "")

    return Rate()


class _Bar:
    def __init__(self, bars: RichProgress, description: str, total: float | None) -> None:
        self._bars = bars
        self._id = bars.add_task(description, total=total)

    def advance(self, steps: float = 1) -> None:
        self._bars.advance(self._id, steps)

    def describe(self, text: str) -> None:
        self._bars.update(self._id, description=text)

    def set_total(self, total: float) -> None:
        self._bars.update(self._id, total=total)


@contextmanager
def lines(write: Callable[[str], None], description: str, total: float | None, unit: str) -> Iterator[Task]:
    """Write lines of work that takes more than five seconds.

    There is one for each of a few steps, for each new description, at least every minute, and at the end.

    Args:
        write: Writes one line.
        description: What is being done.
        total: Number of steps, if known.
        unit: What is counted; ``"bytes"`` are written as MB.
    """
    task = _LogLines(write, description, total, unit)
    over = threading.Event()
    beat = threading.Thread(target=task.beat, args=(over,), daemon=True)
    beat.start()
    try:
        yield task
    finally:
        over.set()
        beat.join()
    task.finish()


class _LogLines:
    def __init__(self, write: Callable[[str], None], description: str, total: float | None, unit: str) -> None:
        self._write = write
        self._description = description
        self._total = total
        self._unit = unit
        self._done = 0.0
        self._interval = LINE_INTERVAL_S
        self._began = self._reported = time.monotonic()

    def advance(self, steps: float = 1) -> None:
        self._done += steps
        few = self._total is not None and self._total <= _FEW_STEPS
        self._report_after(min(_MIN_STEP_S, self._interval) if few else self._interval)

    def describe(self, text: str) -> None:
        if text != self._description:
            self._description = text
            self._report_after(_MIN_DESCRIPTION_S)

    def set_total(self, total: float) -> None:
        self._total = total

    def beat(self, over: threading.Event) -> None:
        """Report in time although no step is finished, until the work is over."""
        while not over.wait(LINE_INTERVAL_S):
            self._report_after(self._interval)

    def finish(self) -> None:
        """Report the end, unless the work was short or the last line was of its last step, just now."""
        said = self._done and self._done == self._total and time.monotonic() - self._reported < _MIN_DESCRIPTION_S
        if self._elapsed() >= QUIET_S and not said:
            self._report("done")

    def _report_after(self, seconds: float) -> None:
        """Report if this many seconds have passed since the last line."""
        if self._elapsed() >= QUIET_S and time.monotonic() - self._reported >= seconds:
            self._report(self._amount())

    def _report(self, what: str) -> None:
        self._reported = time.monotonic()
        self._interval = min(2 * self._interval, _MAX_INTERVAL_S)
        facts = [what, f"{self._elapsed():.0f} s"]
        self._write(f"{self._description}: {', '.join(filter(None, facts))}")

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _amount(self) -> str:
        if not self._done:
            return ""
        scale, unit = (1e6, "MB") if self._unit == "bytes" else (1, self._unit)
        of_total = f" of {self._total / scale:,.0f}" if self._total else ""
        amount = f"{self._done / scale:,.0f}{of_total} {unit}".rstrip()
        rate = self._done / self._elapsed()
        if not (self._total and self._total > _FEW_STEPS and rate / scale >= 1):
            return amount
        left = minutes(max(self._total - self._done, 0) / rate / 60)
        return f"{amount}, {rate / scale:,.0f} {unit}/s, {left} left"
