"""Two classifiers on the same reviews."""

import numpy as np
import pytest
from scipy.stats import binomtest

from slmbench.statistics import paired_difference


def right(both, only_first, only_second, neither=0):
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


def test_an_example_by_hand():
    found = paired_difference(*right(both=80, only_first=2, only_second=8, neither=10))
    assert (found.only_first_right, found.only_second_right) == (2, 8)
    assert found.difference == pytest.approx(0.06)
    # Two-sided binomial on 10 reviews: 2 (1 + 10 + 45) / 1024.
    assert found.p_value == pytest.approx(112 / 1024)
    assert found.ci95[0] < 0.06 < found.ci95[1]


@pytest.mark.parametrize("seed", range(3))
def test_the_p_value_is_the_exact_binomial_test_on_the_reviews_that_differ(seed):
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, 200)) < [[0.8], [0.7]]
    found = paired_difference(first, second)
    b, c = (first & ~second).sum(), (second & ~first).sum()
    assert found.p_value == pytest.approx(binomtest(int(b), int(b + c), 0.5).pvalue)
    assert found.difference == pytest.approx(second.mean() - first.mean())


def test_the_other_way_round_is_the_same_test_with_the_opposite_sign():
    first, second = right(both=50, only_first=9, only_second=1)
    there, back = paired_difference(first, second), paired_difference(second, first)
    assert there.p_value == back.p_value < 0.05
    assert there.difference == -back.difference
    assert there.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]), abs=0.02)


def test_classifiers_that_never_differ():
    found = paired_difference(*right(both=7, only_first=0, only_second=0, neither=3))
    assert (found.difference, found.p_value) == (0, 1)
    # Ten reviews on which two agree do not show that they always will.
    assert found.ci95[0] < -0.1 and found.ci95[1] > 0.1


def test_pairing_gives_a_narrower_interval_than_two_samples_would():
    first, second = right(both=160, only_first=2, only_second=6, neither=32)
    found = paired_difference(first, second)
    unpaired = 2 * 1.96 * np.sqrt(np.var(first) / 200 + np.var(second) / 200)
    assert found.ci95[1] - found.ci95[0] < unpaired / 2
