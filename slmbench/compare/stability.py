"""How often the same rule would ship the same row, if the measurements were made again.

A replay draws reviews again, the seeds of each mean over seeds, and the processes of each time, all at once, and
chooses as the decision did (:mod:`slmbench.compare.choosing`). Reviews are the same for all rows, and seeds for the
forms of one candidate, so what rows share stays shared. Processes are drawn with replacement, their deviations scaled
to the width of the row's interval of the median, which allows for few processes and, where it is known, for other
sessions. Limits and what was excluded stay as they are.

What shipping the winner costs at most, compared with the best candidate, is the upper end of Hsu's multiple
comparisons with the best (*Multiple Comparisons*, 1996, ch. 4): the largest advantage of any other candidate, with
one critical value for all of them, from the same replays.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np

from slmbench.compare.cells import Cell
from slmbench.compare.choosing import choose
from slmbench.compare.decision import Decision
from slmbench.compare.front import costs
from slmbench.compare.pairs import Z95, in_same_session
from slmbench.records.comparison import Stability
from slmbench.statistics import METRICS
from slmbench.statistics.resampling import resampled
from slmbench.statistics.sessions import deviation_between

REPLAYS = 1000
#: Confidence that the cost of shipping the winner is not larger.
CONFIDENCE = 0.95


def stability_of(decision: Decision) -> Stability | None:
    """Replay a decision.

    Args:
        decision: The decision for one machine.

    Returns:
        How it comes out; ``None`` where nothing was chosen, or there was one candidate.
    """
    choice = decision.choice
    if choice is None or decision.winner is None or len(choice.candidates) < 2:
        return None
    cells, compared = choice.candidates, choice.compared
    qualities = quality_replays(cells, compared.rule.metric)
    shared = in_same_session(cells)
    log_times = np.stack(
        [time_replays(cell, center, shared) for cell, center in zip(cells, compared.log_time, strict=True)], axis=1
    )
    chosen = choose(qualities, log_times, compared.size, compared.margins)
    shares = np.bincount(chosen.winner, minlength=len(cells)) / REPLAYS
    winner = cells.index(choice.winner)
    order = sorted(range(len(cells)), key=lambda number: (-shares[number], cells[number].label))
    as_good = [number for number, cell in enumerate(cells) if cell in choice.as_good]
    return Stability(
        replays=REPLAYS,
        chosen={cells[number].label: float(shares[number]) for number in order if shares[number] > 0},
        pareto=_front_shares(decision, qualities, log_times, compared.log_time),
        regret_points=largest_advantage(compared.quality, qualities, winner) * 100,
        regret_time=math.expm1(
            largest_advantage(-compared.log_time[as_good], -log_times[:, as_good], as_good.index(winner))
        ),
    )


def quality_replays(cells: Sequence[Cell], metric: str) -> np.ndarray:
    """Return what decides on bootstrap samples of reviews and seeds, more is better, shape (replays, cells).

    Args:
        cells: Tested on the same reviews.
        metric: Name of the metric.
    """
    sign = 1 if METRICS[metric].better == "more" else -1
    if metric != "accuracy":
        return np.stack([sign * cell.metric_replays(metric)[:REPLAYS] for cell in cells], axis=1)
    count = len(cells[0].right)
    rows = resampled(count, REPLAYS)
    weights = np.stack([np.bincount(sample, minlength=count) for sample in rows]).astype(float) / count
    found = np.empty((REPLAYS, len(cells)))
    for number, cell in enumerate(cells):
        by_seed = weights @ cell.rights.T
        found[:, number] = np.take_along_axis(by_seed, cell.resampled_seeds(REPLAYS), axis=1).mean(1)
    return found


def time_replays(cell: Cell, log_time: float, shared: bool) -> np.ndarray:
    """Return the logarithm of the time a review with its processes drawn again, shape (replays,).

    Args:
        cell: The cell.
        log_time: Logarithm of its time.
        shared: Whether it is compared with cells of the same session only.
    """
    generator = np.random.default_rng(zlib.crc32(f"{cell.label} {cell.profile.name}".encode()))
    low, high = (math.log(end / cell.pace_ms) for end in cell.pace_interval)
    variance = ((high - low) / (2 * Z95)) ** 2
    spread, numbers = cell.profile.latency.spread, cell.profile.latency.sessions
    if shared and spread is not None and numbers is not None:
        count = len(set(numbers))
        for sign, parts in ((-1, (spread.deviation, spread.freedom)), (1, (spread.apart, spread.apart_freedom))):
            variance += sign * (deviation_between(*parts, count) / Z95) ** 2
    deviation = math.sqrt(max(variance, 0.0))
    medians = np.log(cell.profile.latency.process_p50_ms)
    if len(medians) < 3 or not medians.std() > 0:
        return log_time + deviation * generator.standard_normal(REPLAYS)
    drawn = medians[generator.integers(0, len(medians), (REPLAYS, len(medians)))].mean(1) - medians.mean()
    return log_time + drawn * max(1.0, deviation / float(drawn.std()))


def largest_advantage(values: np.ndarray, replays: np.ndarray, winner: int) -> float:
    """Return how much better than the winner the best other one may be, with 95 % confidence; at least 0.

    Args:
        values: Of each candidate, more is better, shape (k,).
        replays: The same on bootstrap samples, shape (replays, k).
        winner: Number of the winner.
    """
    if len(values) < 2:
        return 0.0
    others = np.arange(len(values)) != winner
    gaps = values[others] - values[winner]
    moved = replays[:, others] - replays[:, [winner]] - gaps
    errors = np.maximum(moved.std(0), 1e-12)
    critical = float(np.quantile((moved / errors).max(1), CONFIDENCE))
    return max(0.0, float((gaps + critical * errors).max()))


def _front_shares(
    decision: Decision, qualities: np.ndarray, log_times: np.ndarray, centers: np.ndarray
) -> dict[str, float]:
    """Return in how many replays each candidate is on the front over the axes of the decision.

    Quality and time move with the replay, p95 and rates with the time; what else is an axis stays as it was measured.
    """
    cells, axes = decision.choice.candidates if decision.choice else [], decision.front.axes
    known = [number for number, cell in enumerate(cells) if costs(cell.row, axes) is not None]
    base = np.array([costs(cells[number].row, axes) for number in known])
    if not len(base):
        return {}
    points = np.repeat(base[None], len(qualities), axis=0)
    metric = decision.rule.metric.replace("_", "-")
    slower = log_times[:, known] - centers[known]
    for column, axis in enumerate(axes):
        if axis == metric:
            points[:, :, column] = -qualities[:, known]
        elif axis in ("p50", "p95"):
            points[:, :, column] *= np.exp(slower)
        elif axis == "throughput":
            points[:, :, column] *= np.exp(-slower)
    worse = (points[:, :, None, :] >= points[:, None, :, :]).all(-1)
    strictly = (points[:, :, None, :] > points[:, None, :, :]).any(-1)
    on_front = ~np.any(worse & strictly, axis=2)
    return {cells[number].label: float(share) for number, share in zip(known, on_front.mean(0), strict=True)}
