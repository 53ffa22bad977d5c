"""Where the next session's median is expected: the prediction interval contains it as often as it says."""

import math

import numpy as np
import pytest

from slmbench.records import Latency
from slmbench.statistics.sessions import SessionSpread, next_session, over_sessions, session_spread

KINDS, PROCESSES = 3, 5


def measured(moved, generator):
    """Return the value of a session of five processes, and its interval for other processes of that session."""
    logs = moved + generator.normal(0, 0.03, PROCESSES)
    mean, half = logs.mean(), 2.776 * logs.std(ddof=1) / math.sqrt(PROCESSES)
    return math.exp(mean), (math.exp(mean - half), math.exp(mean + half))


@pytest.mark.parametrize("stored", [3, 12])
def test_it_contains_the_median_of_the_next_session(stored):
    generator, inside, replays = np.random.default_rng(0), 0, 400
    for _ in range(replays):
        moved = generator.normal(0, 0.1, (stored + 2, 1)) + generator.normal(0, 0.05, (stored + 2, KINDS + 1))
        began = [3600.0 * number for number in range(stored)]
        spread = session_spread(began, np.exp(moved[:stored, :KINDS]).tolist())
        value, interval = measured(moved[stored, KINDS], generator)
        low, high = next_session(value, interval, [0] * PROCESSES, spread)
        inside += low <= measured(moved[stored + 1, KINDS], generator)[0] <= high
    assert inside / replays >= 0.92


def test_it_is_wider_than_the_interval_of_the_time_itself():
    spread = SessionSpread(deviation=0.1, freedom=8, apart=0.05, apart_freedom=16)
    interval, sessions = (9.0, 11.0), [0, 0, 0]
    (low, high), (next_low, next_high) = (
        over_sessions(10.0, interval, [10.0] * 3, sessions, spread),
        next_session(10.0, interval, sessions, spread),
    )
    assert next_low < low < 9.0 and 11.0 < high < next_high
    # 2.306 is Student's quantile with eight degrees of freedom; one session and one more.
    half = math.hypot(math.sqrt(2) * math.log(1.1), 2.306 * 0.1 * math.sqrt(2))
    assert next_high == pytest.approx(10 * math.exp(half), rel=1e-3)


def test_a_latency_says_it_where_the_spread_is_known():
    times = [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [1.2, 2.2, 3.2]]
    spread = SessionSpread(deviation=0.1, freedom=8, apart=0.05, apart_freedom=16)
    known = Latency(processes_ms=times, reviews=3, sessions=[0, 0, 0], spread=spread)
    low, high = known.next_session_ms
    assert low < known.ci95_ms[0] and known.ci95_ms[1] < high
    assert Latency(processes_ms=times, reviews=3).next_session_ms is None
