"""Cells timed in turns: in randomised blocks, each with one fresh process of every cell.

A machine that slows down for some minutes would otherwise slow down the one cell that was being timed. In blocks it
affects all cells alike, and what differs between blocks is not taken for a difference between cells (R. A. Fisher,
*The Design of Experiments*, 1935, ch. 4). The order within a block is drawn again for each block, so that no cell
always follows the same other one. The sentinel runs before each block, and once more at the end of a session.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import psutil

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress, Task
from slmbench.common.stages import stage
from slmbench.instruments.energy import find_sources
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.instruments.sentinel import Sentinel, spread_here, store_session
from slmbench.profiling.dominated import MIN_PROCESSES, TimedSoFar, need_no_more
from slmbench.profiling.prepared import AnyCell, PreparedCell, measure_each
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.scenarios import AFTER_ALL, Measured, Steps, scenario_steps
from slmbench.records.sessions import MeasuringSession, SentinelTimes
from slmbench.statistics.sessions import SessionSpread

#: Load of the processor before a measurement above which the profile has a warning.
BUSY_PERCENT = 20.0


@dataclass(frozen=True, eq=False)
class PlannedCell:
    """A cell, and how it is to be measured.

    Attributes:
        cell: The cell.
        options: How.
        may_end_early: Whether it may be timed in fewer processes once no limit could choose it any more
            (:mod:`slmbench.profiling.dominated`).
        only_order: Whether its time is only compared with those of the others, and with no limit or baseline.
    """

    cell: AnyCell
    options: ProfileOptions
    may_end_early: bool = False
    only_order: bool = False


#: Called when a cell fails, after which the others are measured.
Failed = Callable[[PlannedCell, SlmbenchError], None]


@dataclass(frozen=True)
class TimedCell:
    """A cell that was timed.

    Attributes:
        planned: What was to be measured.
        prepared: What a profile says of it.
        measured: Raw measurements.
        sessions: The sessions of its processes, in order.
        spread: How much earlier sessions of this machine differ.
        warnings: What was seen of the machine just before.
    """

    planned: PlannedCell
    prepared: PreparedCell
    measured: Measured
    sessions: list[MeasuringSession]
    spread: SessionSpread
    warnings: list[str]


@dataclass
class _Session:
    """A session while it is measured: the blocks of each cell's processes, and the runs of the sentinel."""

    seed: int
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    blocks: dict[int, list[int]] = field(default_factory=dict)
    sentinel: list[SentinelTimes] = field(default_factory=list)


def time_in_turns(planned: Sequence[PlannedCell], progress: Progress, failed: Failed | None) -> list[TimedCell]:
    """Time cells in randomised blocks; when one fails, the others go on.

    The blocks are split over the sessions that the options ask for. The sentinel's times of each session are kept
    for later measurements on this machine.

    Args:
        planned: The cells.
        progress: Where to report progress.
        failed: Called when a cell fails; without it the failure is raised.

    Returns:
        The cells that did not fail, in the order given.

    Raises:
        SlmbenchError: A cell failed and ``failed`` was not given.
    """
    ready = list(measure_each(planned, lambda one: (one, one.cell.prepare(one.options, progress)), failed))
    if not ready:
        return []
    warnings, spread, sentinel = busy_warning(), spread_here(), Sentinel()
    turns = _Turns(ready, failed)
    with progress.task(turns.title, total=turns.processes, unit="processes") as bar:
        turns.begin(bar)
        while turns.running:
            if turns.sessions:
                bar.describe(f"{turns.title}, pause of {turns.gap_min:g} min before the next session")
                time.sleep(60 * turns.gap_min)
            session = turns.run_session(sentinel, bar)
            try:
                store_session(session.id, session.began, session.sentinel)
            except OSError as error:
                progress.say(f"how fast the machine was is not kept for later measurements: {error}")
    return [
        TimedCell(one, prepared, measured, turns.sessions_of(number), spread, warnings + turns.ended_early(number))
        for number, (one, prepared) in enumerate(ready)
        if (measured := turns.measured.get(number)) is not None
    ]


class _Turns:
    """Cells that are being timed: those still running, what was measured of the others, and the sessions so far."""

    def __init__(self, ready: Sequence[tuple[PlannedCell, PreparedCell]], failed: Failed | None) -> None:
        self._ready = ready
        self._failed = failed
        options = [one.options for one, _ in ready]
        self.processes = sum(each.processes for each in options)
        self.gap_min = max(each.session_gap_min for each in options)
        self._planned_sessions = max(each.sessions for each in options)
        self._blocks = math.ceil(max(each.processes for each in options) / self._planned_sessions)
        one = f"profiling {ready[0][0].cell.name}"
        self.title = one if len(ready) == 1 else f"profiling {len(ready)} forms in turns"
        self.running: dict[int, Steps] = {}
        self._waiting: set[int] = set()
        self._so_far: dict[int, TimedSoFar] = {}
        self._ended: dict[int, str] = {}
        self.measured: dict[int, Measured] = {}
        self.sessions: list[_Session] = []

    def begin(self, bar: Task) -> None:
        hardware = hardware_fingerprint()
        for number, (one, prepared) in enumerate(self._ready):
            sources = find_sources(hardware, one.options.device)
            self.running[number] = scenario_steps(prepared.task, prepared.workload.further, one.options, sources, bar)

    def run_session(self, sentinel: Sentinel, bar: Task) -> _Session:
        """Run the blocks of one session; those of the last one until every cell is done.

        What cells keep for the end, such as minutes of uninterrupted work, follows after all blocks and the sentinel.
        """
        session = _Session(seed=len(self.sessions))
        self.sessions.append(session)
        last = len(self.sessions) == self._planned_sessions
        generator, block = np.random.default_rng(session.seed), 0
        while (turns := sorted(self.running.keys() - self._waiting)) and (last or block < self._blocks):
            block += 1
            if len(self._ready) > 1:
                bar.describe(f"{self.title}, block {block + self._blocks * session.seed}")
            session.sentinel.append(sentinel.run())
            self._end_early(bar)
            for number in generator.permutation(turns).tolist():
                if self._run_process(number):
                    session.blocks.setdefault(number, []).append(block)
        session.sentinel.append(sentinel.run())
        if not turns:
            for number in sorted(self.running):
                bar.describe(f"{self.title}, {self._ready[number][0].cell.name} sustained")
                self._run_process(number)
        return session

    def _end_early(self, bar: Task) -> None:
        """Let the process that is next be the last one of cells that need no more, in the single scenario."""
        singly = all(one.options.scenario == "single" for one, _ in self._ready)
        done = [
            len(self._so_far[number].measured.latency_ms) if number in self._so_far else 0 for number in self.running
        ]
        if not singly or self._planned_sessions > 1 or min(done) < MIN_PROCESSES - 1:
            return
        only_order = all(one.only_order for one, _ in self._ready)
        for number, why in need_no_more(self._so_far, only_order=only_order).items():
            one = self._ready[number][0]
            left = one.options.processes - len(self._so_far[number].measured.latency_ms) - 1
            if one.may_end_early and left > 0 and number not in self._ended:
                self._ended[number] = why
                self.processes -= left
                bar.set_total(self.processes)

    def ended_early(self, number: int) -> list[str]:
        """Say why a cell was timed in fewer processes than asked for, if it was."""
        if number not in self._ended:
            return []
        timed, asked = len(self.measured[number].latency_ms), self._ready[number][0].options.processes
        return [f"timed in {timed} of {asked} processes: {self._ended[number]}"]

    def sessions_of(self, number: int) -> list[MeasuringSession]:
        """Return the sessions of the processes that count; a search for a rate measures with more."""
        counting, found = len(self.measured[number].latency_ms), []
        for session in reversed(self.sessions):
            blocks = session.blocks.get(number, [])[-counting:] if counting else []
            counting -= len(blocks)
            if blocks:
                found.append(
                    MeasuringSession(
                        id=session.id,
                        began=session.began,
                        cells=len(session.blocks),
                        seed=session.seed,
                        blocks=blocks,
                        sentinel=session.sentinel,
                    )
                )
        return found[::-1]

    def _run_process(self, number: int) -> bool:
        """Measure with one process of a cell; returns whether that went well."""
        try:
            with stage(None, rung=self._ready[number][0].cell.source.name):
                steps = self.running[number]
                shown = steps.send(number in self._ended) if number in self._so_far else next(steps)
            if shown == AFTER_ALL:
                self._waiting.add(number)
            elif isinstance(shown, Measured):
                one, prepared = self._ready[number]
                self._so_far[number] = TimedSoFar(one.cell.name, prepared, shown)
        except StopIteration as end:
            self.measured[number] = end.value
            del self.running[number]
        except SlmbenchError as error:
            if self._failed is None:
                raise
            self._failed(self._ready[number][0], error)
            del self.running[number]
            return False
        return True


def busy_warning() -> list[str]:
    """Warn when other work uses the processor just before a measurement."""
    busy = psutil.cpu_percent(interval=0.2)
    if busy <= BUSY_PERCENT:
        return []
    return [f"the CPU was {busy:.0f} % busy with other work just before the measurement"]
