"""When warm-up and sampling stop."""

from itertools import chain, cycle, repeat

import numpy as np
import pytest
from profiling_helpers import Clock, FakeProcess, steady, wild

from slmbench.profiling import sampling
from slmbench.profiling.sampling import (
    WARM_UP_LIMIT_S,
    WARM_UP_WINDOW,
    closed,
    sample,
    settled,
    warm_up,
)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(sampling, "time", made)
    return made


def test_an_interval_closes_when_it_is_narrow_on_both_sides():
    assert closed([10.0] * 20)
    assert closed([9.8, 10.0, 10.2] * 20)
    assert not closed([9.0, 10.0, 11.0] * 6)
    assert not closed([10.0] * 12 + [12.0] * 10)


def test_too_few_samples_close_nothing():
    assert not closed([10.0] * 5)


def test_warm_up_ends_when_two_windows_agree(clock):
    falling = [8.0] * WARM_UP_WINDOW + [4.0] * WARM_UP_WINDOW
    process = FakeProcess(chain(falling, repeat(2.0)), clock)

    assert warm_up(process)
    # The same few reviews each time: others would take other times.
    assert process.rows == list(range(WARM_UP_WINDOW)) * 4


def test_warm_up_gives_up_on_a_process_that_drifts(clock):
    drifting = (100.0 * 1.1**window for window in range(1000) for _ in range(WARM_UP_WINDOW))

    assert not warm_up(FakeProcess(drifting, clock))
    assert clock.now - 1000 >= WARM_UP_LIMIT_S


@pytest.mark.parametrize("lengths", [[1.0], [1.0, 9.0, 2.0, 30.0]])
def test_sampling_stops_when_noise_is_known_whatever_the_lengths(clock, lengths):
    process = FakeProcess(cycle(lengths), clock)
    process._ms = chain([2.0] * 20, (2 * length for length in cycle(lengths)))  # the warm-up is of the same reviews

    taken = sample(process, 60.0, reviews=80)

    assert taken.stable
    # A machine without noise needs two passes: the second says that there is none.
    assert len(taken.ms) == 160


def test_noise_goes_on_until_it_is_averaged_out(clock):
    generator = np.random.default_rng(0)
    noisy = chain([2.0] * 20, (2 * np.exp(generator.normal(0, 0.5)) for _ in range(100_000)))

    taken = sample(FakeProcess(noisy, clock), 600.0, reviews=80)

    assert settled([taken.ms], 80) and not settled([taken.ms[:80]], 80) and not settled([taken.ms[:320]], 80)
    assert len(taken.ms) % 80 == 0 and 800 < len(taken.ms) < 8000


@pytest.mark.parametrize(("reviews", "samples"), [(200, 400), (41, 82), (20, 60)])
def test_every_review_is_timed_as_often_as_the_others(clock, reviews, samples):
    process = FakeProcess(steady(), clock)

    assert len(sample(process, 60.0, reviews=reviews).ms) == samples
    # Never a chunk beyond the end of a pass.
    timed = [request["rows"] for request in process.asked][-(samples // 10) :]
    assert all(rows[0] // reviews == rows[-1] // reviews for rows in timed)


def test_a_pass_that_would_not_end_in_time_is_not_begun(clock):
    # 0.4 s a pass on average, each review now fast and now slow: two fit into a second after the warm-up.
    taken = sample(FakeProcess(wild(), clock), 1.0, reviews=99)

    assert len(taken.ms) == 198 and not settled([taken.ms], 99)
    assert clock.now - 1000 < 1.0 + 0.5


def test_the_first_pass_ends_with_the_time_once_a_p95_has_enough_reviews(clock):
    # At 25 ms: 130 reviews take more than three seconds, and fewer than nine.
    assert 130 <= len(sample(FakeProcess(steady(25.0), clock), 3.0, reviews=200).ms) < 160
    assert len(sample(FakeProcess(steady(25.0), clock), 3.0, reviews=100).ms) == 100


def test_the_first_pass_does_not_go_on_for_ever(clock):
    assert 50 <= len(sample(FakeProcess(steady(50.0), clock), 1.0, reviews=200).ms) <= 70


def test_sampling_stops_when_time_is_over(clock):
    taken = sample(FakeProcess(wild(), clock), 3.0, reviews=19)

    assert not settled([taken.ms], 19)
    assert 3.0 <= clock.now - 1000 + 0.1 < 3.0 + 1.5  # warm-up comes on top, and no pass is begun that would not end


def test_later_processes_take_as_many_samples_of_the_same_rows(clock):
    # On their own these would never settle.
    process = FakeProcess(wild(), clock)

    taken = sample(process, 60.0, 67, reviews=19)

    assert len(taken.ms) == 67
    assert process.rows[-67:] == list(range(67))


def test_a_later_process_that_is_far_slower_is_cut_off(clock):
    taken = sample(FakeProcess(steady(100.0), clock), 2.0, 500, reviews=200)

    assert 60 <= len(taken.ms) < 80  # three times the two seconds, at a tenth of a second each


def test_slow_reviews_are_asked_for_in_short_chunks(clock):
    process = FakeProcess(steady(400.0), clock)

    sample(process, 30.0, reviews=200)

    assert max(len(request["rows"]) for request in process.asked) == 10
