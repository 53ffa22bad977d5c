"""The choice among candidates, once for the measurements as they are and again for every replay of them.

:func:`choose` takes numbers and returns numbers: arrays whose first axis is the replay. What a difference needs to
show is kept from the measurements, as the distance from the estimate to the end of its interval; a replay moves the
estimates. :func:`choose_among` applies it to cells, with the verdicts of the comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from slmbench.compare.cells import Cell
from slmbench.compare.constraints import Constraints, DecisionRule
from slmbench.compare.pairs import Difference, difference, speed_verdict, time_bounds, turned, versus_of
from slmbench.statistics import METRICS, SIGNIFICANCE
from slmbench.statistics.verdicts import Verdict, holm, verdict


class Margins(NamedTuple):
    """How far estimates lie from the ends of their 90 % intervals, and what counts as equal; k candidates.

    Attributes:
        below: From the quality of candidate j less that of i down to its lower end, shape (k, k) as [i, j].
        faster: From the log ratio of the times of j and i down to its lower end, shape (k, k) as [i, j].
        slower: The same up to its upper end.
        quality: Largest loss that counts as none.
        time: Largest logarithm of a ratio of times that counts as none.
    """

    below: np.ndarray
    faster: np.ndarray
    slower: np.ndarray
    quality: float
    time: float


class Chosen(NamedTuple):
    """What each replay chose, shape (replays,), and from what, shape (replays, k).

    Attributes:
        winner: The candidate to ship.
        reference: The one with the best quality.
        fastest: The fastest of ``as_good``.
        as_good: Whether each is shown to be as good as the reference, within the margin.
        as_fast: Whether each is as good, and shown to be as fast as the fastest.
    """

    winner: np.ndarray
    reference: np.ndarray
    fastest: np.ndarray
    as_good: np.ndarray
    as_fast: np.ndarray


def choose(quality: np.ndarray, log_time: np.ndarray, size: np.ndarray, margins: Margins) -> Chosen:
    """Choose: the best is the reference, of those as good the fastest, of those as fast the smallest.

    "As good" is non-inferiority and "as fast" equivalence, each with 5 % (Schuirmann 1987); what is undecided is
    neither, so a faster candidate is never lost to a slower one that may or may not be as fast.

    Args:
        quality: What decides, more is better, shape (replays, k); minus infinity takes a candidate out.
        log_time: Logarithm of the time a review, shape (replays, k).
        size: Bytes, shape (k,).
        margins: What differences have to show.
    """
    replay = np.arange(len(quality))
    # Among equals the faster one: lexsort's last key is the first that counts.
    reference = np.lexsort((log_time, -quality))[:, 0]
    gain = quality - quality[replay, reference][:, None]
    as_good = gain - margins.below[reference] > -margins.quality
    as_good[replay, reference] = True
    fastest = np.where(as_good, log_time, np.inf).argmin(1)
    excess = log_time - log_time[replay, fastest][:, None]
    inside = (excess + margins.slower[fastest] < margins.time) & (excess - margins.faster[fastest] > -margins.time)
    as_fast = as_good & inside
    as_fast[replay, fastest] = True
    smallest = np.lexsort((log_time, np.where(as_fast, size, np.inf)))[:, 0]
    return Chosen(smallest, reference, fastest, as_good, as_fast)


class Candidates:
    """Cells that may be shipped, with every comparison of two of them that is asked for, each made once.

    Args:
        cells: At least one, evaluated on the same reviews.
        rule: Margins and metric.
    """

    def __init__(self, cells: Sequence[Cell], rule: DecisionRule) -> None:
        self.cells = list(cells)
        self.rule = rule
        self._differences: dict[tuple[Cell, Cell], Difference] = {}

    @cached_property
    def quality(self) -> np.ndarray:
        """What decides, more is better, shape (k,)."""
        sign = 1 if METRICS[self.rule.metric].better == "more" else -1
        return np.nan_to_num([sign * cell.value(self.rule.metric) for cell in self.cells], nan=-np.inf)

    @cached_property
    def log_time(self) -> np.ndarray:
        """Logarithm of what speed is judged by, shape (k,).

        For cells that were measured alternately with the fastest of them (``versus``), it is the time of the fastest
        and the paired ratio.
        """
        times = np.log([cell.pace_ms for cell in self.cells])
        paired = [number for number, cell in enumerate(self.cells) if cell.versus]
        if paired:
            fastest = min(paired, key=lambda number: times[number])
            for number in paired:
                if versus_of(self.cells[fastest], self.cells[number]) is not None:
                    bounds = time_bounds(self.cells[fastest], self.cells[number])
                    times[number] = times[fastest] - (bounds.value if bounds else 0.0)
        return times

    @cached_property
    def size(self) -> np.ndarray:
        """Bytes on disk, shape (k,)."""
        return np.array([cell.size_bytes for cell in self.cells], dtype=float)

    @cached_property
    def margins(self) -> Margins:
        """What a difference between two of them has to show."""
        k = len(self.cells)
        below, faster, slower = (np.zeros((k, k)) for _ in range(3))
        for i, first in enumerate(self.cells):
            for j, second in enumerate(self.cells):
                if i == j:
                    continue
                bounds = self.difference(first, second).bounds
                below[i, j] = bounds.value - bounds.ci90[0]
                times = time_bounds(first, second)
                if times is not None:  # positive: the second is faster
                    faster[i, j], slower[i, j] = times.ci90[1] - times.value, times.value - times.ci90[0]
        return Margins(below, faster, slower, self.rule.model_margin, math.log1p(self.rule.time_margin))

    def difference(self, first: Cell, second: Cell) -> Difference:
        """Compare two of them in what decides."""
        if (first, second) not in self._differences:
            found = difference(first, second, self.rule.metric)
            self._differences[first, second] = found
            self._differences[second, first] = Difference(turned(found.bounds), found.p_value)
        return self._differences[first, second]


@dataclass(frozen=True)
class Choice:
    """What was chosen among candidates, and by which comparisons.

    Attributes:
        winner: The recommended cell.
        best: The most accurate candidate, the reference.
        fastest: The fastest of ``as_good``.
        compared: The candidates with their comparisons.
        as_good: Candidates shown to be as accurate as ``best``, within the margin.
        verdicts: Of every other candidate compared with ``best`` in accuracy; ``worse`` is corrected for the number
            of pairs.
        speeds: Of every other candidate of ``as_good`` compared with ``fastest`` in time.
        doubts: Limits that the winner keeps, but perhaps not the next time, in words.
    """

    winner: Cell
    best: Cell
    fastest: Cell
    compared: Candidates
    as_good: list[Cell]
    verdicts: dict[Cell, Verdict]
    speeds: dict[Cell, Verdict]
    doubts: list[str]

    @property
    def candidates(self) -> list[Cell]:
        """What was chosen from."""
        return self.compared.cells

    def to_best(self, cell: Cell) -> Difference:
        """Return the accuracy of a candidate minus that of ``best``, paired."""
        return self.compared.difference(self.best, cell)


def choose_among(compared: Candidates, constraints: Constraints) -> Choice:
    """Choose among candidates.

    Args:
        compared: The candidates.
        constraints: The limits of the deployment, for doubts about them.
    """
    cells, rule = compared.cells, compared.rule
    chosen = choose(compared.quality[None], compared.log_time[None], compared.size, compared.margins)
    best, fastest = cells[chosen.reference[0]], cells[chosen.fastest[0]]
    as_good = [cell for cell, kept in zip(cells, chosen.as_good[0], strict=True) if kept]
    others = [cell for cell in cells if cell is not best]
    p_values = holm([compared.difference(best, cell).p_value for cell in others], len(cells) * len(others) // 2)
    verdicts = {
        cell: _corrected(verdict(compared.difference(best, cell).bounds, rule.model_margin), p_value)
        for cell, p_value in zip(others, p_values, strict=True)
    }
    winner = cells[chosen.winner[0]]
    speeds = {cell: speed_verdict(fastest, cell, rule.time_margin) for cell in as_good if cell is not fastest}
    return Choice(winner, best, fastest, compared, as_good, verdicts, speeds, constraints.doubts(winner.row))


def _corrected(found: Verdict, p_value: float) -> Verdict:
    return "undecided" if found in ("better", "worse") and p_value >= SIGNIFICANCE else found
