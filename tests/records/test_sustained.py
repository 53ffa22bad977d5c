"""Whether a machine gets slower: the last minute compared with the first."""

import numpy as np
import pytest

from slmbench.profiling.sustained import sustained_warning
from slmbench.records.sustained import Sustained, TracePoint


def traced(seconds, level, noise=0.02, clock=3000.0, celsius=None):
    """One point a second; ``level`` is the time taken over the usual, from the share of the time that has passed."""
    generator = np.random.default_rng(0)
    return Sustained(
        seconds=seconds,
        trace=[
            TracePoint(
                at_s=at,
                reviews=50,
                relative=level(at / seconds) * np.exp(generator.normal(0, noise)),
                clock_mhz=clock,
                temperature_c=celsius,
            )
            for at in range(int(seconds))
        ],
        no_temperature=None if celsius else "this system shows no temperature sensor",
    )


def test_a_machine_that_throttles_is_slower_in_the_last_minute():
    hot = traced(600, lambda passed: 1.0 if passed < 0.5 else 1.2, celsius=84.0)
    low, high = hot.slowdown.ci95
    assert low < 1.2 < high and high / low < 1.06
    assert "last minute" in hot.sentence and "84 to 84 °C" in hot.sentence and "3,000 MHz" in hot.sentence
    (warning,) = sustained_warning(hot)
    assert "1.2" in warning


def test_a_machine_that_does_not_is_not():
    cool = traced(600, lambda passed: 1.0)
    assert cool.slowdown.ci95[0] < 1 < cool.slowdown.ci95[1]
    assert sustained_warning(cool) == []
    assert "no temperature sensor" in cool.sentence


def test_a_short_trace_compares_thirds_and_a_shorter_one_nothing():
    assert traced(30, lambda passed: 1 + passed).slowdown.value == pytest.approx(1.83 / 1.17, rel=0.05)
    assert "last third" in traced(30, lambda passed: 1.0).sentence
    short = traced(2, lambda passed: 1.0)
    assert short.slowdown is None and "2 s" in short.sentence and sustained_warning(short) == []
