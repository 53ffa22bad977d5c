"""Intervals over clusters that cover as they promise, also when few clusters differ; ratios; outliers."""

import numpy as np
import pytest
from scipy import stats

from slmbench.statistics import (
    clustered_median_interval,
    clustered_percentile_interval,
    count_outliers,
    paired_ratio,
    quantile_interval,
    ratio_of_medians,
    t_interval,
    why_no_interval,
)


def clusters(generator, count, size, between, centre=1.0, within=0.03):
    """Times of the same reviews, whose lengths differ by much, in processes that differ by a factor each."""
    lengths = np.linspace(-1, 1, size)
    return [
        np.exp(np.log(centre) + lengths + generator.normal(0, between) + generator.normal(0, within, size)).tolist()
        for _ in range(count)
    ]


@pytest.mark.parametrize("q", [50, 90, 95])
def test_the_interval_of_a_percentile_covers_it(q):
    samples = np.random.default_rng(0).exponential(size=(1500, 200))
    found = np.array([quantile_interval(row, q) for row in samples])
    true = stats.expon.ppf(q / 100)
    covered = ((found[:, 0] <= true) & (true <= found[:, 1])).mean()
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1500)
    assert covered <= 0.99


def test_a_percentile_near_the_edge_of_a_sample_has_no_interval():
    assert quantile_interval(range(50), 95) is None
    assert quantile_interval(range(130), 95) == (117, 128)


def test_the_t_interval_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=5)
    wanted = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert t_interval(values) == pytest.approx(wanted)


@pytest.mark.parametrize("between", [0.0, 0.03, 0.15])
def test_the_interval_over_three_processes_covers_what_the_next_ones_centre_on(between):
    generator = np.random.default_rng(0)
    tries = 300
    covered = 0
    for _ in range(tries):
        low, high = clustered_percentile_interval(clusters(generator, 3, 60, between), resamples=60)
        covered += low <= 1 <= high
    # The bootstrap alone covers less than nine in ten of the last.
    assert covered / tries >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / tries)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_processes_have_no_interval_and_a_reason(count):
    # Student's t over two has one degree of freedom: two processes near 24 ms gave 7e-6 to 1e7 ms.
    some = clusters(np.random.default_rng(0), count, 200, 0.6, centre=24)
    assert clustered_median_interval(some) is None
    assert clustered_percentile_interval(some, 95) is None
    for ratio in (paired_ratio(some, some), ratio_of_medians(some, some)):
        assert (ratio.value, ratio.ci95, ratio.bounds()) == (1, None, None)
    assert f"({count})" in why_no_interval(some) and "processes" in why_no_interval(some)


def test_too_few_samples_are_the_other_reason_for_no_interval():
    assert "(3)" in why_no_interval([[1.0], [1.1], [1.2]])
    assert why_no_interval([[1.0, 1.1]] * 3) is None


@pytest.mark.parametrize("ratio", [paired_ratio, ratio_of_medians])
def test_two_that_are_alike_are_called_different_no_more_often_than_expected(ratio):
    generator = np.random.default_rng(1)
    tries = 300
    different = 0
    for _ in range(tries):
        first, second = (clusters(generator, 6, 60, 0.02) for _ in range(2))
        low, high = ratio(first, second, resamples=60).ci95
        different += not low <= 1 <= high
    assert different / tries <= 0.05 + 3 * np.sqrt(0.95 * 0.05 / tries)


@pytest.mark.parametrize("ratio", [paired_ratio, ratio_of_medians])
def test_a_tenth_slower_is_found(ratio):
    generator = np.random.default_rng(2)
    tries = 60
    found = 0
    for _ in range(tries):
        low, high = ratio(
            clusters(generator, 6, 60, 0.02, centre=1.1), clusters(generator, 6, 60, 0.02), resamples=60
        ).ci95
        assert high > 1.05
        found += low > 1
    assert found / tries > 0.95


def test_slow_minutes_that_fall_on_both_cancel():
    generator = np.random.default_rng(3)
    weather = [np.exp(generator.normal(0, 0.3, 80)) for _ in range(4)]
    second = [list(minute * np.exp(generator.normal(0, 0.01, 80))) for minute in weather]
    first = [list(1.05 * minute * np.exp(generator.normal(0, 0.01, 80))) for minute in weather]
    found = paired_ratio(first, second)
    assert found.value == pytest.approx(1.05, rel=0.005)
    assert found.ci95[0] > 1.04 and found.ci95[1] < 1.06


def test_ratios_turn_around_with_their_sides():
    generator = np.random.default_rng(4)
    first, second = clusters(generator, 4, 40, 0.05), clusters(generator, 4, 40, 0.05)
    there, back = paired_ratio(first, second), paired_ratio(second, first)
    assert there.value == pytest.approx(1 / back.value)
    assert there.ci95 == pytest.approx((1 / back.ci95[1], 1 / back.ci95[0]))
    assert paired_ratio([[1.0, 2.0]], [[2.0, 4.0]]).model_dump() == {"value": 0.5, "ci95": None, "ci90": None}


def test_outliers_are_neither_long_reviews_nor_slow_processes():
    generator = np.random.default_rng(5)
    processes = clusters(generator, 3, 100, 0.2)
    clean = count_outliers(processes, items=100)
    assert (clean.count, clean.judged) == (0, 300)
    processes[1][7] *= 3
    processes[2][60] *= 1.8
    found = count_outliers(processes, items=100)
    assert found.count == 2
    assert found.largest == pytest.approx(3, rel=0.2)
    assert 1.1 <= found.factor < 1.5


def test_one_process_is_judged_by_reviews_it_met_more_than_once():
    samples = [float(length) for _ in range(4) for length in (1, 5, 9, 14)]
    samples[6] *= 2
    assert count_outliers([samples], items=4).count == 1
    assert count_outliers([samples], items=16) is None
