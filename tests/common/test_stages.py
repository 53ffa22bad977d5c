"""Seconds by stage: the parts add up to the whole, and a stage inside another is not counted twice."""

import pytest

from slmbench.common.errors import SlmbenchError
from slmbench.common.stages import STAGES, StageClock, stage, stage_clock
from slmbench.records.comparison import stage_times


class Hand:
    """A clock that a test moves."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


@pytest.fixture
def hand():
    return Hand()


def test_a_stage_inside_another_is_not_counted_twice(hand):
    with stage_clock(StageClock(hand)) as clock:
        hand.time += 1
        with stage(None, rung="small"), stage("training"):
            hand.time += 10
            with stage("teacher"):
                hand.time += 100
            hand.time += 1000
        with stage("profiling", rung="large"):
            hand.time += 10000
        hand.time += 1
    assert clock.seconds == {
        ("other", None): 2,
        ("other", "small"): 0,
        ("training", "small"): 1010,
        ("teacher", "small"): 100,
        ("profiling", "large"): 10000,
    }
    found = [(one.stage, one.rung, one.seconds) for one in stage_times(clock)]
    assert found == [
        ("training", "small", 1010),
        ("teacher", "small", 100),
        ("profiling", "large", 10000),
        ("other", None, 2),
    ]


def _search_without_space(hand):
    with stage("search"):
        hand.time += 3
        raise SlmbenchError("no space")


def test_time_until_a_failure_is_counted_and_later_time_is_not_charged_to_it(hand):
    with stage_clock(StageClock(hand)) as clock:
        with pytest.raises(SlmbenchError, match="no space"):
            _search_without_space(hand)
        hand.time += 5
    assert clock.seconds == {("other", None): 5, ("search", None): 3}


def test_only_declared_stages_are_timed_and_without_a_clock_nothing_happens():
    with pytest.raises(KeyError), stage("lunch"):
        pass
    with stage("training"):
        pass
    assert "other" in STAGES
