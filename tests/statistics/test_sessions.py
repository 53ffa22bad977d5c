"""How much sessions of one machine differ, and intervals that allow for it."""

import math

import numpy as np
import pytest

from slmbench.statistics.sessions import (
    APART_S,
    REFERENCE_SPREAD,
    SessionSpread,
    over_sessions,
    ratio_over_blocks,
    separate_sessions,
    session_replays,
    session_spread,
)

HOUR = 3600.0
SPREAD = SessionSpread(deviation=0.1, freedom=1000, apart=0.05, apart_freedom=1000, stored=1001)


def test_sessions_close_together_are_one():
    assert separate_sessions([0, APART_S - 1, APART_S, 1.5 * APART_S, 3 * APART_S]) == [0, 0, 1, 1, 2]
    assert separate_sessions([]) == []
    assert session_spread([0, 1, 2, 3], [[10.0, 10.0]] * 4) == REFERENCE_SPREAD


def test_the_spread_of_simulated_sessions_is_found():
    generator = np.random.default_rng(1)
    count, shared, own = 4000, 0.15, 0.06
    logs = generator.normal(0, shared, (count, 1)) + generator.normal(0, own, (count, 3))

    found = session_spread(HOUR * np.arange(count), 10 * np.exp(logs))

    assert found.stored == count
    assert found.deviation == pytest.approx(math.hypot(shared, own), rel=0.05)
    assert found.apart == pytest.approx(own, rel=0.05)
    assert (found.freedom, found.apart_freedom) == (count - 1, 2 * (count - 1))
    inside = np.mean([found.usual_ms[0] <= sum(10 * np.exp(row)) <= found.usual_ms[1] for row in logs])
    assert inside == pytest.approx(0.99, abs=0.006)


def test_an_interval_of_one_session_is_widened_by_the_spread():
    low, high = over_sessions(10.0, (9.9, 10.1), [10.0] * 5, [0] * 5, SPREAD)

    assert high == pytest.approx(10 * math.exp(math.hypot(math.log(1.01), 1.962 * 0.1)), rel=1e-3)
    assert low == pytest.approx(10 / math.exp(math.hypot(math.log(10 / 9.9), 1.962 * 0.1)), rel=1e-3)
    # A machine whose sessions do not differ has the interval of its processes.
    still = SPREAD.model_copy(update={"deviation": 0.0})
    assert over_sessions(10.0, (9.9, 10.1), [10.0] * 5, [0] * 5, still) == pytest.approx((9.9, 10.1))


def test_more_sessions_are_widened_less_unless_they_differ():
    one = over_sessions(10.0, (9.9, 10.1), [10.0] * 4, [0, 0, 0, 0], SPREAD)
    alike = over_sessions(10.0, (9.9, 10.1), [10.0] * 4, [0, 0, 1, 1], SPREAD)
    unlike = over_sessions(10.0, (9.9, 10.1), [7.0, 7.0, 14.0, 14.0], [0, 0, 1, 1], SPREAD)

    assert one[0] < alike[0] < alike[1] < one[1]
    assert unlike[0] < one[0]
    assert unlike[1] > one[1]


def test_replays_draw_sessions_and_the_processes_in_each():
    replays = session_replays([0.0, 0.0, 1.0, 3.0], [0, 0, 1, 1])

    assert {float(value) for value in replays} <= {0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0}
    assert replays.mean() == pytest.approx(1.0, abs=0.1)
    # Both sessions are the first one in a quarter of the replays.
    assert np.mean(replays == 0) == pytest.approx(0.25, abs=0.04)


def test_intervals_cover_the_mean_of_all_sessions():
    """Simulated sessions of five processes, their spread known from ten others."""
    generator = np.random.default_rng(2)
    between, within, hits = 0.15, 0.05, 0
    for _ in range(600):
        history = generator.normal(0, between, (10, 1)) + generator.normal(0, 0.02, (10, 3))
        spread = session_spread(HOUR * np.arange(10), np.exp(history))
        medians = np.exp(generator.normal(0, between) + generator.normal(0, within, 5))
        value, half = float(np.exp(np.log(medians).mean())), 2.78 * float(np.log(medians).std(ddof=1)) / 5**0.5
        low, high = over_sessions(value, (value * math.exp(-half), value * math.exp(half)), medians, [0] * 5, spread)
        hits += low <= 1 <= high
    assert 0.93 <= hits / 600 <= 0.985


def test_the_ratio_over_blocks_covers_the_ratio_over_all_sessions():
    """Two kinds of work whose ratio differs between sessions, blocks that move both."""
    generator, hits = np.random.default_rng(3), 0
    spread = SPREAD.model_copy(update={"apart": 0.06})
    for _ in range(400):
        shared = generator.normal(0, 0.2) + generator.normal(0, 0.2, 5)
        logs = generator.normal(0, 0.06, (2, 1)) + shared + generator.normal(0, 0.05, (2, 5))
        bounds = ratio_over_blocks(np.exp(logs[0]), np.exp(logs[1]), [0] * 5, spread)
        hits += bounds.ci95[0] <= 0 <= bounds.ci95[1]
        assert bounds.ci95[0] < bounds.ci90[0] < bounds.value < bounds.ci90[1] < bounds.ci95[1]
    assert 0.93 <= hits / 400 <= 0.995
    assert ratio_over_blocks([1.0, 2.0], [1.0, 1.0], [0, 0], spread) is None
