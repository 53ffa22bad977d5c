"""How much times of one machine differ between sessions of measurement, and intervals that allow for it.

Processes that are timed within some minutes share what the machine does in those minutes: the clock, the neighbours
of a virtual machine, where its memory lies. Their interval covers these minutes only. Between sessions, hours apart,
the same code took 0.8 to 1.3 times as long on the machine of the reference profiles. So the interval of one session
is widened by the deviation between sessions: the distances of its ends add up as squares with it (as in Zou &
Donner, *Statistics in Medicine* 27, 2008). The levels are those of Kalibera & Jones (*Rigorous Benchmarking in
Reasonable Time*, ISMM 2013): sessions, processes (one a block), samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from slmbench.statistics.clusters import MIN_CLUSTERS, Ratio
from slmbench.statistics.intervals import Interval
from slmbench.statistics.verdicts import Bounds

#: Sessions that begin within so many seconds of each other count as one: they share what the machine does.
APART_S = 600.0
#: Fewer stored sessions say too little of how much they differ.
MIN_SESSIONS = 3
#: Confidence that a session of a machine that did not change is not called unusual.
USUAL = 0.99
RESAMPLES = 2000


class SessionSpread(BaseModel):
    """How much logarithms of times differ between sessions of one machine.

    Attributes:
        deviation: Standard deviation of one kind of work.
        freedom: Its degrees of freedom.
        apart: Standard deviation of one kind of work from what all kinds have in common: what remains of it where two
            forms are timed in the same session.
        apart_freedom: Its degrees of freedom.
        stored: Number of sessions of this machine that it is from; 0 where it is that of the reference profiles.
        usual_ms: Where the sentinel of a further session lies with 99 % confidence; ``None`` with too few stored.
    """

    model_config = ConfigDict(frozen=True)

    deviation: float
    freedom: float
    apart: float
    apart_freedom: float
    stored: int = 0
    usual_ms: Interval | None = None

    @property
    def source(self) -> str:
        """Whose it is, in words."""
        return f"{self.stored} stored sessions of this machine" if self.stored else "the reference profiles"


#: That of the reference profiles: six sessions on 21 November 2026, 8 to 21 o'clock, on a virtual machine, two cores
#: (profiles/reference in the history of this repository). Standard deviation over sessions of the log medians of
#: seven forms, 0.19 (tf-idf: 0.162 to 0.377 ms), and after what each session has in common was taken away, 0.10.
REFERENCE_SPREAD = SessionSpread(deviation=0.19, freedom=5, apart=0.10, apart_freedom=30)


def session_spread(began_s: Sequence[float], times: Sequence[Sequence[float]]) -> SessionSpread:
    """Return how much the sessions of a machine differ.

    Args:
        began_s: When each session began (s), ascending.
        times: Time of each kind of work in each session, shape (sessions, kinds), at least two kinds.

    Returns:
        The deviations between sessions, those that began within ten minutes taken as one; of the reference profiles
        where there are fewer than three.
    """
    numbers = np.array(separate_sessions(began_s))
    count = len(set(numbers.tolist()))
    if count < MIN_SESSIONS:
        return REFERENCE_SPREAD
    from scipy.stats import t

    logs = np.log(np.asarray(times, dtype=float))
    means = np.stack([logs[numbers == number].mean(0) for number in range(count)])
    moved = means - means.mean(0)
    kinds = means.shape[1]
    alone = moved - moved.mean(1, keepdims=True)
    totals = np.log(np.exp(means).sum(1))
    half = float(t.isf((1 - USUAL) / 2, count - 1)) * float(totals.std(ddof=1)) * math.sqrt(1 + 1 / count)
    return SessionSpread(
        deviation=math.sqrt(float((moved**2).sum()) / (kinds * (count - 1))),
        freedom=count - 1,
        apart=math.sqrt(float((alone**2).sum()) / ((kinds - 1) * (count - 1))),
        apart_freedom=(kinds - 1) * (count - 1),
        stored=count,
        usual_ms=(math.exp(totals.mean() - half), math.exp(totals.mean() + half)),
    )


def separate_sessions(began_s: Sequence[float]) -> list[int]:
    """Return the number of each session, from 0, where those that began within ten minutes are the same one."""
    numbers: list[int] = []
    first, number = -math.inf, -1
    for began in began_s:
        if began - first >= APART_S:
            first, number = began, number + 1
        numbers.append(number)
    return numbers


def over_sessions(
    value: float,
    interval: Interval,
    medians: Sequence[float],
    sessions: Sequence[int],
    spread: SessionSpread,
    confidence: float = 0.95,
    *,
    slowed: Callable[[float], float] | None = None,
) -> Interval:
    """Widen the interval of a time to what other sessions would show.

    With several sessions each end is the wider of that and of a bootstrap over sessions and the processes in each.

    Args:
        value: The time, or a rate that falls as times grow.
        interval: Its interval for other processes of the same sessions.
        medians: Of each process.
        sessions: Number of the session of each process.
        spread: How much sessions of this machine differ.
        confidence: Coverage wanted.
        slowed: Of a rate, what it would be if every time were so many times as long; ``None`` of a time.
    """
    between = deviation_between(spread.deviation, spread.freedom, len(set(sessions)), confidence)
    below = above = between
    if slowed is not None:
        below, above = math.log(value / slowed(math.exp(between))), math.log(slowed(math.exp(-between)) / value)
    low, high = -math.hypot(math.log(value / interval[0]), below), math.hypot(math.log(interval[1] / value), above)
    if len(set(sessions)) > 1:
        replays = session_replays(np.log(medians).tolist(), sessions)
        center = float(np.mean(np.log(medians)))
        ends = np.percentile(replays - center, [50 * (1 - confidence), 50 * (1 + confidence)])
        low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    return value * math.exp(low), value * math.exp(high)


def next_session(
    value: float, interval: Interval, sessions: Sequence[int], spread: SessionSpread, confidence: float = 0.95
) -> Interval:
    """Return where the same time is expected when it is measured again in one further session.

    A prediction interval: the further session deviates too (Geisser, *Predictive Inference*, 1993, ch. 2), and so do
    its processes.

    Args:
        value: The time.
        interval: Its interval for other processes of the same sessions.
        sessions: Number of the session of each process.
        spread: How much sessions of this machine differ.
        confidence: How often the further time lies within.
    """
    count = len(set(sessions))
    between = deviation_between(spread.deviation, spread.freedom, count, confidence) * math.sqrt(1 + count)
    low, high = (math.sqrt(2) * math.log(end / value) for end in interval)
    return value * math.exp(-math.hypot(low, between)), value * math.exp(math.hypot(high, between))


def ratio_over_sessions(ratio: Ratio, spread: SessionSpread) -> Ratio:
    """Widen the interval of a ratio of two kinds of work to what other sessions would show.

    Args:
        ratio: Of times that were measured alternately in one session.
        spread: How much sessions of this machine differ; of two kinds of work measured together, by ``apart``.
    """

    def widened(interval: Interval | None, confidence: float) -> Interval | None:
        if interval is None:
            return None
        apart = deviation_apart(spread, 1, confidence)
        low, high = (math.hypot(math.log(end / ratio.value), apart) for end in interval)
        return ratio.value * math.exp(-low), ratio.value * math.exp(high)

    return Ratio(value=ratio.value, ci95=widened(ratio.ci95, 0.95), ci90=widened(ratio.ci90, 0.90))


def deviation_apart(spread: SessionSpread, sessions: int, confidence: float = 0.95) -> float:
    """Return :func:`deviation_between` of the log ratio of two kinds of work that were measured together."""
    return deviation_between(math.sqrt(2) * spread.apart, spread.apart_freedom, sessions, confidence)


def deviation_between(deviation: float, freedom: float, sessions: int, confidence: float = 0.95) -> float:
    """Return half the width of the interval of a mean over so many sessions, of their deviation alone."""
    from scipy.stats import t

    return float(t.isf((1 - confidence) / 2, freedom)) * deviation / math.sqrt(sessions)


def session_replays(values: Sequence[float], sessions: Sequence[int], seed: int = 0) -> np.ndarray:
    """Return means of values on bootstrap samples of the sessions and of the values in each, shape (replays,).

    Args:
        values: Such as the log median of each process.
        sessions: Number of the session of each.
        seed: Seed of the resampling.
    """
    generator = np.random.default_rng(seed)
    of_session = [np.asarray(values)[np.asarray(sessions) == number] for number in sorted(set(sessions))]
    found = np.zeros(RESAMPLES)
    for _ in of_session:
        drawn = np.stack(
            [rows[generator.integers(0, len(rows), (RESAMPLES, len(rows)))].mean(1) for rows in of_session]
        )
        chosen = generator.integers(0, len(of_session), RESAMPLES)
        found += drawn[chosen, np.arange(RESAMPLES)] / len(of_session)
    return found


def ratio_over_blocks(
    first: Sequence[float],
    second: Sequence[float],
    sessions: Sequence[int],
    spread: SessionSpread,
    *,
    same_work: bool = False,
) -> Bounds | None:
    """Return the bounds of the ratio of two times that were measured in the same blocks.

    What a block or a session does to both cancels in the ratio. Each end is the wider of Student's t over the log
    ratios of the blocks and of a bootstrap over sessions and the blocks in each; it is widened by what sessions do to
    one kind of work and not to another.

    Args:
        first: Time of the first in each block.
        second: Time of the second in the same blocks.
        sessions: Number of the session of each block.
        spread: How much sessions of this machine differ.
        same_work: Whether both do the same work, so that sessions do the same to both.

    Returns:
        The logarithm of first / second, positive where the second is faster, around the mean over blocks; ``None``
        with fewer than three blocks.
    """
    from scipy.stats import t

    logs = np.log(first) - np.log(second)
    if len(logs) < MIN_CLUSTERS:
        return None
    value, replays = float(logs.mean()), session_replays(logs.tolist(), sessions)
    error = float(logs.std(ddof=1)) / math.sqrt(len(logs))
    intervals: list[Interval] = []
    for confidence in (0.95, 0.90):
        tail = (1 - confidence) / 2
        within = float(t.isf(tail, len(logs) - 1)) * error
        apart = 0.0 if same_work else deviation_apart(spread, len(set(sessions)), confidence)
        ends = np.quantile(replays - value, [tail, 1 - tail])
        low, high = (math.hypot(max(within, float(end)), apart) for end in (-ends[0], ends[1]))
        intervals.append((value - low, value + high))
    return Bounds(value, *intervals)
