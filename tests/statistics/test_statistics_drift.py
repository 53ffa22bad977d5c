"""The population stability index, against numbers computed by hand and by simulation."""

import math

import numpy as np
import pytest

from slmbench.statistics.drift import population_stability


def test_a_worked_example():
    # Shares of 0.2 and 0.8 that become 0.4 and 0.6; so many that the half observation added does not show.
    shift = population_stability([200_000, 800_000], [400_000, 600_000])
    assert shift.psi == pytest.approx(0.2 * math.log(2) + -0.2 * math.log(0.75), abs=1e-5)
    assert shift.size == "moderate"


def test_by_chance_it_stays_below_its_limit_in_95_of_100_cases():
    generator = np.random.default_rng(0)
    share = [0.1, 0.2, 0.3, 0.4]
    pairs = generator.multinomial(500, share, 2000), generator.multinomial(2000, share, 2000)
    shifts = [population_stability(one, other) for one, other in zip(*pairs, strict=True)]
    assert np.mean([shift.size == "none" for shift in shifts]) == pytest.approx(0.95, abs=0.02)


def test_parts_that_are_empty():
    assert population_stability([5, 5, 0], [50, 50, 0]).psi == population_stability([5, 5], [50, 50]).psi
    assert math.isfinite(population_stability([100, 0], [0, 100]).psi)
    assert population_stability([100, 0], [0, 100]).size == "large"
    assert population_stability([0, 0], [1, 1]) is None
    assert population_stability([3, 0], [4, 0]) is None
