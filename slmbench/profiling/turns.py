"""Cells timed in turns: in randomised blocks, each with one fresh process of every cell.

A machine that slows down for some minutes would otherwise slow down the one cell that was being timed. In blocks it
affects all cells alike, and what differs between blocks is not taken for a difference between cells (R. A. Fisher,
*The Design of Experiments*, 1935, ch. 4). The order within a block is drawn again for each block, so that no cell
always follows the same other one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import psutil

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.instruments.energy import find_sources
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.profiling.prepared import AnyCell, PreparedCell, measure_each
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.scenarios import Measured, Steps, scenario_steps

#: Load of the processor before a measurement above which the profile has a warning.
BUSY_PERCENT = 20.0
#: Seed of the order within blocks.
SEED = 0


@dataclass(frozen=True, eq=False)
class PlannedCell:
    """A cell, and how it is to be measured."""

    cell: AnyCell
    options: ProfileOptions


#: Called when a cell fails, after which the others are measured.
Failed = Callable[[PlannedCell, SlmbenchError], None]


@dataclass(frozen=True)
class TimedCell:
    """A cell that was timed.

    Attributes:
        planned: What was to be measured.
        prepared: What a profile says of it.
        measured: Raw measurements.
        warnings: What was seen of the machine just before.
    """

    planned: PlannedCell
    prepared: PreparedCell
    measured: Measured
    warnings: list[str]


def time_in_turns(planned: Sequence[PlannedCell], progress: Progress, failed: Failed | None) -> list[TimedCell]:
    """Time cells in randomised blocks; when one fails, the others go on.

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
    warnings = busy_warning() if ready else []
    hardware, generator = hardware_fingerprint(), np.random.default_rng(SEED)
    processes = sum(one.options.processes for one, _ in ready)
    measured: dict[int, Measured] = {}
    with progress.task(_title(ready), total=processes, unit="processes") as bar:
        running: dict[int, Steps] = {
            number: scenario_steps(prepared.task, one.options, find_sources(hardware, one.options.device), bar)
            for number, (one, prepared) in enumerate(ready)
        }
        for block in count(1):
            if not running:
                break
            if len(ready) > 1:
                bar.describe(f"{_title(ready)}, block {block}")
            for number in generator.permutation(sorted(running)).tolist():
                try:
                    next(running[number])
                except StopIteration as end:
                    measured[number] = end.value
                    del running[number]
                except SlmbenchError as error:
                    if failed is None:
                        raise
                    failed(ready[number][0], error)
                    del running[number]
    return [
        TimedCell(one, prepared, measured[number], warnings)
        for number, (one, prepared) in enumerate(ready)
        if number in measured
    ]


def busy_warning() -> list[str]:
    """Warn when other work uses the processor just before a measurement."""
    busy = psutil.cpu_percent(interval=0.2)
    if busy <= BUSY_PERCENT:
        return []
    return [f"the CPU was {busy:.0f} % busy with other work just before the measurement"]


def _title(ready: Sequence[tuple[PlannedCell, PreparedCell]]) -> str:
    if len(ready) == 1:
        return f"profiling {ready[0][0].cell.name}"
    return f"profiling {len(ready)} forms in turns"
