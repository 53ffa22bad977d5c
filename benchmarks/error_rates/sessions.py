"""Sessions of measurement that were recorded, hours or minutes apart: what a cell that did not change is said to do.

Every two sessions of a cell are compared, in both orders: the first is the baseline, and the second is as fast, or is
slowed by a tenth afterwards. Sessions, not pairs, are independent, so the bounds are from drawing sessions again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from recorded_sessions import SessionOfCell, read_sessions

from error_rates import before
from error_rates.rates import Goal, Rate, Share, at_least, at_most
from slmbench.compare.pairs import bounds_of_times
from slmbench.records import Latency
from slmbench.statistics.intervals import Estimate
from slmbench.statistics.verdicts import TIME_MARGIN, gate, verdict

PLANTED = 1.1
LIMIT = 0.05


class Outcome(NamedTuple):
    """What is said of a session compared with an earlier one; ``old`` is what was said before."""

    different: bool
    old_different: bool
    fails: bool
    old_fails: bool
    planted_passes: bool
    old_planted_passes: bool
    planted_inconclusive: bool
    covered: bool
    old_covered: bool


def estimate(session: SessionOfCell, others: Sequence[SessionOfCell]) -> Estimate:
    """Return the median of a session and the interval that a comparison gives it."""
    latency = Latency(processes_ms=session.processes_ms, reviews=len(session.processes_ms[0]))
    return latency.p50_ms, latency.ci95_ms


def old_estimate(session: SessionOfCell) -> Estimate:
    """Return them as they were before."""
    times = np.array(session.processes_ms)
    return float(np.median(times)), before.percentile_interval(times, 50, np.random.default_rng(0))


def outcomes(sessions: Sequence[SessionOfCell]) -> np.ndarray:
    """Compare all sessions of a cell, shape (sessions, sessions, kinds of outcome); the diagonal is not used."""
    margin, limit = math.log1p(TIME_MARGIN), math.log1p(LIMIT)
    now = [estimate(one, [other for other in sessions if other is not one]) for one in sessions]
    old = [old_estimate(one) for one in sessions]
    found = np.zeros((len(sessions), len(sessions), len(Outcome._fields)), dtype=bool)
    for i, first in enumerate(now):
        for j, second in enumerate(now):
            if i == j:
                continue
            bounds, slowed = bounds_of_times(first, second), bounds_of_times(first, _times(second, PLANTED))
            assert bounds is not None and slowed is not None and first[1] is not None
            old_slowed, old_first = _times(old[j], PLANTED), old[i][1]
            assert old_first is not None
            found[i, j] = Outcome(
                different=verdict(bounds, margin) in ("better", "worse"),
                old_different=before.speed_verdict(old[i], old[j]) != "equivalent",
                fails=gate(bounds, limit) == "fail",
                old_fails=before.fails_if_slower(old[i], old[j], LIMIT),
                planted_passes=gate(slowed, limit) == "pass",
                old_planted_passes=not before.fails_if_slower(old[i], old_slowed, LIMIT),
                planted_inconclusive=gate(slowed, limit) == "inconclusive",
                covered=first[1][0] <= second[0] <= first[1][1],
                old_covered=old_first[0] <= old[j][0] <= old_first[1],
            )
    return found


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, interval = estimate
    return factor * value, interval and (factor * interval[0], factor * interval[1])


def recorded_rates(replays: int, seed: int) -> list[Rate]:
    """Return the rates over all recorded sessions; none where fewer than two measure the same."""
    cells = {name: outcomes(sessions) for name, sessions in read_sessions().items()}
    if not cells:
        return []
    generator, replayed = np.random.default_rng(seed), []
    groups = {len(found): generator.integers(0, len(found), (replays, len(found))) for found in cells.values()}
    for replay in range(replays):
        replayed.append(_mean([(found, groups[len(found)][replay]) for found in cells.values()]))
    measured = _mean([(found, np.arange(len(found))) for found in cells.values()])
    drawn = np.array(replayed)

    def share(name: str, *, turned: bool = False) -> Share:
        kind = Outcome._fields.index(name)
        value, again = measured[kind], drawn[:, kind]
        return Share.of_groups(1 - value, 1 - again) if turned else Share.of_groups(float(value), again)

    def rate(what: str, name: str, goal: Goal | None, old: str | None = None, *, turned: bool = False) -> Rate:
        return Rate(what, share(name, turned=turned), share(old, turned=turned) if old else None, goal)

    sessions = max(map(len, cells.values()))
    setting = f"{len(cells)} cells in up to {sessions} recorded sessions"
    return [
        rate(f"{setting}, the same: called different", "different", at_most(0.05), "old_different"),
        rate(f"{setting}, the same: `--fail-if-slower 5%` fails", "fails", at_most(0.05), "old_fails"),
        rate(
            f"{setting}, 10 % slower: `--fail-if-slower 5%` passes",
            "planted_passes",
            at_most(0.05),
            "old_planted_passes",
        ),
        rate(
            f"{setting}, 10 % slower: fails or is inconclusive",
            "planted_passes",
            at_least(0.9),
            "old_planted_passes",
            turned=True,
        ),
        rate(f"{setting}, 10 % slower: inconclusive", "planted_inconclusive", None),
        rate(f"{setting}: the interval covers the next session's median", "covered", at_least(0.9), "old_covered"),
    ]


def _mean(cells: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the mean outcome over cells and pairs of different ones of the sessions drawn."""
    total, pairs = np.zeros(len(Outcome._fields)), 0
    for found, drawn in cells:
        apart = drawn[:, None] != drawn[None]
        total += found[drawn[:, None], drawn[None]][apart].sum(0)
        pairs += int(apart.sum())
    return total / max(pairs, 1)
