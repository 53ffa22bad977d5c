"""Sessions of measurement that were recorded, hours or minutes apart: what a cell that did not change is said to do.

Every two sessions of a cell are compared, in both orders: the first is the baseline, and the second is as fast, or is
slowed by a tenth afterwards. Sessions, not pairs, are independent, so the bounds are from drawing sessions again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, permutations
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from recorded_sessions import SESSIONS, SessionOfCell, read_sessions

from error_rates import before
from error_rates.rates import Goal, Rate, Share, at_least, at_most
from error_rates.times import LIMIT, PLANTED, hourly, planted_rates
from slmbench.common.formatting import counted
from slmbench.compare.pairs import bounds_of_times
from slmbench.profiling.dominated import ALIKE, MIN_PROCESSES
from slmbench.records import Latency
from slmbench.statistics import Interval, t_interval
from slmbench.statistics.intervals import Estimate
from slmbench.statistics.sessions import (
    MIN_SESSIONS,
    REFERENCE_SPREAD,
    SessionSpread,
    next_session,
    over_sessions,
    ratio_over_blocks,
    session_spread,
)
from slmbench.statistics.verdicts import TIME_MARGIN, gate, verdict

#: Simulated sessions: processes of each row, and one standard deviation of their log medians.
PROCESSES, PROCESS_SPREAD = 5, 0.03
#: One standard deviation of what a session does to all work, and of what it does to one kind of work alone; and how
#: many sentinels of earlier sessions are stored.
SIMULATED = ((0.15, 0.10, 0), (0.15, 0.10, 3), (0.15, 0.10, 12), (0.05, 0.03, 12))


class Row(NamedTuple):
    """A cell measured in one session.

    Attributes:
        now: Median and interval as a comparison has them.
        expected: Where the median of a further session is expected.
        old: Median and interval as a comparison had them.
    """

    now: Estimate
    expected: Interval
    old: Estimate


class Outcome(NamedTuple):
    """What is said of a session compared with another one; ``old`` is what was said before."""

    different: bool
    old_different: bool
    fails: bool
    old_fails: bool
    planted_passes: bool
    old_planted_passes: bool
    planted_inconclusive: bool
    expected: bool
    old_expected: bool


def outcome(first: Row, second: Row) -> Outcome:
    """Compare a row with a baseline, as fast as it and slowed by a tenth."""
    margin, limit = math.log1p(TIME_MARGIN), math.log1p(LIMIT)
    bounds, slowed = bounds_of_times(first.now, second.now), bounds_of_times(first.now, _times(second.now, PLANTED))
    assert bounds is not None and slowed is not None and first.old[1] is not None
    return Outcome(
        different=verdict(bounds, margin) in ("better", "worse"),
        old_different=before.speed_verdict(first.old, second.old) != "equivalent",
        fails=gate(bounds, limit) == "fail",
        old_fails=before.fails_if_slower(first.old, second.old, LIMIT),
        planted_passes=gate(slowed, limit) == "pass",
        old_planted_passes=not before.fails_if_slower(first.old, _times(second.old, PLANTED), LIMIT),
        planted_inconclusive=gate(slowed, limit) == "inconclusive",
        expected=first.expected[0] <= second.now[0] <= first.expected[1],
        old_expected=first.old[1][0] <= second.old[0] <= first.old[1][1],
    )


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, interval = estimate
    return factor * value, interval and (factor * interval[0], factor * interval[1])


def recorded_row(session: SessionOfCell, earlier: Sequence[SessionOfCell]) -> Row:
    """Return the row of a recorded session, with the sentinels of earlier ones of its machine stored."""
    spread = _known_before(earlier, len(earlier))
    times = np.array(session.processes_ms)
    one_session = [0] * len(times)
    latency = Latency(processes_ms=times.tolist(), reviews=times.shape[1], sessions=one_session, spread=spread)
    assert latency.here_ci95_ms is not None
    return Row(
        (latency.p50_ms, latency.ci95_ms),
        next_session(latency.p50_ms, latency.here_ci95_ms, one_session, spread),
        (float(np.median(times)), before.percentile_interval(times, 50, np.random.default_rng(0))),
    )


def _known_before(sessions: Sequence[SessionOfCell], number: int) -> SessionSpread:
    """Return how much the sessions before one differ."""
    stored = [one for one in sessions[:number] if one.sentinel_ms]
    return session_spread([one.recorded.timestamp() for one in stored], [_typical(one) for one in stored])


def _typical(session: SessionOfCell) -> list[float]:
    """Return the median of each kind of work of the sentinel."""
    return [float(np.median([one[kind] for one in session.sentinel_ms])) for kind in sorted(session.sentinel_ms[0])]


def outcomes(sessions: Sequence[SessionOfCell]) -> np.ndarray:
    """Compare all sessions of a cell, shape (sessions, sessions, kinds of outcome); the diagonal is not used."""
    rows = [recorded_row(one, sessions[:number]) for number, one in enumerate(sessions)]
    found = np.zeros((len(rows), len(rows), len(Outcome._fields)), dtype=bool)
    for i, first in enumerate(rows):
        for j, second in enumerate(rows):
            if i != j:
                found[i, j] = outcome(first, second)
    return found


def session_rates(replays: int, seed: int) -> list[Rate]:
    """Return the rates of two rows timed in the same blocks of one session, and of gates between them."""
    margin, limit, rates = math.log1p(TIME_MARGIN), math.log1p(LIMIT), []
    common, own, stored = SIMULATED[-1]
    for process_spread in (0.02, 0.05):
        generator, one_session = np.random.default_rng(seed), [0] * PROCESSES
        equal, slowed, old_different, old_passes = [], [], [], []
        for _ in range(replays):
            moved = generator.normal(0, common, (stored + 1, 1)) + generator.normal(0, own, (stored + 1, 5))
            spread = session_spread(hourly(stored), np.exp(moved[:stored, :3]).tolist())
            blocks = generator.normal(0, process_spread, (PROCESSES, 1))
            logs = moved[stored, 3:] + blocks + generator.normal(0, process_spread / 2, (PROCESSES, 2))
            first, second = np.exp(logs).T
            for found, factor in ((equal, 1.0), (slowed, PLANTED)):
                bounds = ratio_over_blocks(first.tolist(), (factor * second).tolist(), one_session, spread)
                assert bounds is not None
                found.append(bounds)
            old = [_here(row) for row in logs.T]
            old_different.append(before.speed_verdict(*old) != "equivalent")
            old_passes.append(not before.fails_if_slower(old[0], _times(old[1], PLANTED), LIMIT))
        setting = f"rows of one session, {PROCESSES} blocks that differ by {process_spread:.0%}"
        rates.append(
            Rate(
                f"{setting}, equal: called different",
                Share.of(verdict(bounds, margin) in ("better", "worse") for bounds in equal),
                Share.of(old_different),
                at_most(0.05),
            )
        )
        rates += planted_rates(setting, [gate(bounds, limit) for bounds in slowed], old_passes)
    return rates


def _here(logs: np.ndarray) -> tuple[float, Interval]:
    """Return the median of processes, and its interval for other processes of the same session."""
    value, (low, high) = math.exp(float(np.median(logs))), t_interval(logs)
    return value, (min(value, math.exp(low)), max(value, math.exp(high)))


def simulated_rates(replays: int, seed: int) -> list[Rate]:
    """Return the rates of a cell measured in two sessions, with so many sentinels of earlier ones stored."""
    rates = []
    for common, own, stored in SIMULATED:
        setting = f"sessions differ by {math.hypot(common, own):.0%}, {stored or 'none'} stored"
        rates += rates_of(setting, simulated(common, own, stored, replays, seed))
    early = simulated(common, own, stored, replays, seed, may_end_early=True)
    return [*rates, *rates_of(f"{setting}, {MIN_PROCESSES} processes where two agree", early)]


def simulated(
    common: float, own: float, stored: int, replays: int, seed: int, *, may_end_early: bool = False
) -> np.ndarray:
    """Simulate pairs of sessions and return their outcomes, shape (replays, kinds).

    Args:
        common: One standard deviation of what a session does to all work, of logarithms.
        own: The same of what it does to one kind of work alone.
        stored: Number of sessions before, of which the sentinel is known.
        replays: Number of pairs.
        seed: Of everything.
        may_end_early: Whether rows end as those of a recipe whose times are far from all others.
    """
    generator, found = np.random.default_rng(seed), []
    for _ in range(replays):
        moved = generator.normal(0, common, (stored + 2, 1)) + generator.normal(0, own, (stored + 2, 4))
        spread = session_spread(hourly(stored), np.exp(moved[:stored, :3]).tolist())
        rows = [simulated_row(one, spread, generator, may_end_early=may_end_early) for one in moved[stored:, 3]]
        found.append(outcome(*rows))
    return np.array(found)


def simulated_row(
    moved: float, spread: SessionSpread, generator: np.random.Generator, *, may_end_early: bool = False
) -> Row:
    """Simulate the row of a session that makes everything slower by a factor, given as a logarithm."""
    logs = moved + generator.normal(0, PROCESS_SPREAD, PROCESSES)
    if may_end_early and abs(logs[0] - logs[1]) <= math.log1p(ALIKE):
        logs = logs[:MIN_PROCESSES]
    (value, here), sessions = _here(logs), [0] * len(logs)
    now = over_sessions(value, here, np.exp(logs).tolist(), sessions, spread)
    return Row((value, now), next_session(value, here, sessions, spread), (value, here))


def rates_of(setting: str, found: np.ndarray, replayed: np.ndarray | None = None, units: int = 0) -> list[Rate]:
    """Return the rates of outcomes.

    Args:
        setting: What was measured.
        found: Outcomes, shape (comparisons, kinds); with ``replayed``, their means, shape (kinds,).
        replayed: Their means in replays, where comparisons are not independent, shape (replays, kinds).
        units: How many independent comparisons there are then at most.
    """

    def share(name: str, *, turned: bool = False) -> Share:
        kind = Outcome._fields.index(name)
        if replayed is None:
            return Share.of(found[:, kind] != turned)
        value, again = found[kind], replayed[:, kind]
        return Share.of_groups(*((1 - value, 1 - again) if turned else (value, again)), units)

    def rate(what: str, name: str, goal: Goal | None, *, turned: bool = False) -> Rate:
        old = f"old_{name}"
        known = share(old, turned=turned) if old in Outcome._fields else None
        return Rate(f"{setting}: {what}", share(name, turned=turned), known, goal)

    gated = "`--fail-if-slower 5%`"
    return [
        rate("the same is called different", "different", at_most(0.05)),
        rate(f"the same fails {gated}", "fails", at_most(0.05)),
        rate(f"10 % slower passes {gated}", "planted_passes", at_most(0.05)),
        rate("10 % slower is found or inconclusive", "planted_passes", at_least(0.9), turned=True),
        rate("10 % slower is inconclusive", "planted_inconclusive", None),
        rate("the next median is where it is expected", "expected", at_least(0.9)),
    ]


def recorded_rates(replays: int, seed: int, folders: Sequence[Path] = (SESSIONS,)) -> list[Rate]:
    """Return the rates over all recorded sessions of each machine; none where fewer than two measure the same.

    Where there are enough of them, again over those before which the sentinels of three or more are known.
    """
    read, rates = read_sessions(folders), []
    for machine, count in sorted({(key[:2], len(sessions)) for key, sessions in read.items()}, key=itemgetter(1)):
        alike = [sessions for key, sessions in read.items() if (key[:2], len(sessions)) == (machine, count)]
        cells = [outcomes(sessions) for sessions in alike]
        setting = f"{machine[0]}, {count} sessions, {counted(len(alike), 'cell')}"
        rates += rates_of(setting, *_replayed(cells, np.arange(count), replays, seed))
        if count >= 2 * MIN_SESSIONS and all(session.sentinel_ms for session in alike[0]):
            later = np.arange(MIN_SESSIONS, count)
            rates += rates_of(f"{setting}, {MIN_SESSIONS} or more stored", *_replayed(cells, later, replays, seed))
        if len(pairs := [ratios for one, two in combinations(alike, 2) if len(ratios := _ratios(one, two))]):
            value, replayed, units = _replayed(pairs, np.arange(count), replays, seed)
            now, old = (Share.of_groups(float(value[kind]), replayed[:, kind], units) for kind in range(2))
            rates.append(Rate(f"{setting}: the ratio of two cells is called different", now, old, at_most(0.05)))
    return rates


def _ratios(first: Sequence[SessionOfCell], second: Sequence[SessionOfCell]) -> np.ndarray:
    """Compare the ratio of two cells timed in the same turns between all sessions, shape (sessions, sessions, 2).

    The second of each is what Student's t over the turns alone would say. Empty where they were not timed in turns.
    """
    found = []
    for number, (one, two) in enumerate(zip(first, second, strict=True)):
        times = [np.median(np.array(cell.processes_ms), axis=1).tolist() for cell in (one, two)]
        if one.recorded != two.recorded or not one.sentinel_ms or len(times[0]) != len(times[1]):
            return np.zeros((0, 0, 2), dtype=bool)
        bounds = ratio_over_blocks(*times, [0] * len(times[0]), _known_before(first, number))
        here = ratio_over_blocks(*times, [0] * len(times[0]), REFERENCE_SPREAD, same_work=True)
        if bounds is None or here is None:
            return np.zeros((0, 0, 2), dtype=bool)
        found.append((bounds.value, bounds.ci95, here.ci95))
    differ = np.zeros((len(found), len(found), 2), dtype=bool)
    for (i, one), (j, other) in permutations(enumerate(found), 2):
        for kind, ((low, _), (_, high)) in enumerate(zip(one[1:], other[1:], strict=True)):
            lower = one[0] >= other[0]
            differ[i, j, kind] = lower and one[0] - other[0] > math.hypot(one[0] - low, high - other[0])
    return differ | differ.swapaxes(0, 1)


def _replayed(
    cells: Sequence[np.ndarray], sessions: np.ndarray, replays: int, seed: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the mean outcome of sessions, that of sessions drawn again, and how many comparisons are independent."""
    drawn = sessions[np.random.default_rng(seed).integers(0, len(sessions), (replays, len(sessions)))]
    replayed = np.array([_mean(cells, each) for each in drawn])
    # Where one session alone was drawn again and again there is no pair.
    return _mean(cells, sessions), replayed[~np.isnan(replayed[:, 0])], (len(sessions) - 1) * len(cells)


def _mean(cells: Sequence[np.ndarray], drawn: np.ndarray) -> np.ndarray:
    """Return the mean outcome over cells and pairs of different ones of the sessions drawn; NaN without a pair."""
    apart = drawn[:, None] != drawn[None]
    if not apart.any():
        return np.full(cells[0].shape[-1], np.nan)
    return np.mean([found[drawn[:, None], drawn[None]][apart].mean(0) for found in cells], axis=0)
