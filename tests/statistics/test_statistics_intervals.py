"""Intervals that cover as they promise, and percentiles only where the sample carries them."""

import numpy as np
import pytest
from scipy.stats import binom, bootstrap

from slmbench.statistics import (
    bootstrap_interval,
    clustered_median_interval,
    counts_bootstrap_interval,
    median_interval,
    percentile,
    quantile_interval,
    supported_percentile,
)


@pytest.mark.parametrize("size", [6, 15, 40, 200])
def test_the_interval_of_the_median_covers_it(size):
    samples = np.random.default_rng(0).exponential(size=(1500, size))
    found = np.array([median_interval(row) for row in samples])
    covered = ((found[:, 0] <= np.log(2)) & (np.log(2) <= found[:, 1])).mean()
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1500)
    # Order statistics come in steps: a rank further inside would cover less than promised.
    assert covered <= 0.99


def test_the_interval_of_the_median_is_made_of_order_statistics():
    # n = 10: P(B < 2) = 11/1024, so ranks 2 and 9 cover 97.9 %, ranks 3 and 8 only 89 %.
    assert median_interval(np.random.default_rng(0).permutation(np.arange(1.0, 11.0))) == (2, 9)
    assert median_interval(range(6)) == (0, 5)


@pytest.mark.parametrize("size", [0, 1, 5])
def test_fewer_than_six_samples_have_no_such_interval(size):
    assert median_interval(np.arange(size)) is None


def test_more_confidence_needs_more_samples():
    assert median_interval(range(6), confidence=0.99) is None
    assert median_interval(range(8), confidence=0.99) == (0, 7)


@pytest.mark.parametrize(("q", "needed"), [(90, 64), (95, 130), (99, 662)])
def test_a_percentile_needs_the_samples_that_the_binomial_distribution_says(q, needed):
    tail = 1 - q / 100
    assert needed == next(n for n in range(2, 1000) if binom.cdf(1, n, tail) <= 0.01)
    value, reason = supported_percentile(list(range(needed)), q, needed)
    assert value == pytest.approx(np.percentile(np.arange(needed), q))
    assert reason is None
    # Repeats do not count.
    value, reason = supported_percentile(list(range(needed - 1)) * 5, q, needed - 1)
    assert value is None
    assert all(fact in reason for fact in (f"p{q}", f"{needed} different", f"{needed - 1}"))


def test_percentiles_are_interpolated():
    assert percentile([4, 1, 3, 2], 50) == 2.5
    assert percentile([1, 2], 95) == pytest.approx(1.95)


@pytest.mark.parametrize("q", [50, 90, 95, 99])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_of_a_percentile_has_the_textbook_ranks(q, confidence):
    """Order statistics of every small sample: [x_(low), x_(high)] covers 1 - P(B < low) - P(B >= high)."""
    for n in [*range(1, 150), 662]:
        low = int(binom.ppf((1 - confidence) / 2, n, q / 100))
        high = int(binom.ppf((1 + confidence) / 2, n, q / 100)) + 1
        wanted = (low, high) if low >= 1 and high <= n else None
        assert quantile_interval(np.arange(1.0, n + 1), q, confidence) == wanted


@pytest.mark.parametrize("size", [2, 3, 10, 80, 400])
def test_the_bootstrap_interval_is_the_percentiles_of_resampled_rows(size):
    values = np.random.default_rng(1).exponential(size=size)
    rows = np.random.default_rng(0).integers(0, size, (2000, size))
    wanted = tuple(np.percentile(values[rows].mean(1), [2.5, 97.5]))
    assert bootstrap_interval(lambda rows: values[rows].mean(1), size) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(("size", "accuracy"), [(200, 0.86), (1000, 0.86), (1000, 0.98)])
def test_the_bootstrap_interval_of_an_accuracy_is_close_to_the_corrected_one(size, accuracy):
    right = (np.arange(size) < accuracy * size).astype(float)
    plain = bootstrap_interval(lambda rows: right[rows].mean(1), size)
    corrected = bootstrap((right,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(0))
    assert plain == pytest.approx(tuple(corrected.confidence_interval), abs=0.1 * (plain[1] - plain[0]))


@pytest.mark.parametrize("size", [1, 2, 80, 1000, 2500])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_counting_the_draws_gives_the_interval_of_drawing(size, groups):
    """2,500 rows are drawn in three blocks and not kept; the value depends on every group."""
    group = np.random.default_rng(size).integers(0, groups, size)
    worth = np.arange(1, groups + 2) ** 2

    def of_counts(counts):
        return counts @ worth[: counts.shape[1]] / counts.sum(1)

    plain = bootstrap_interval(lambda rows: worth[group[rows]].mean(1), size, resamples=1700)
    for _ in range(2):
        assert counts_bootstrap_interval(of_counts, group, resamples=1700) == pytest.approx(plain, rel=1e-12)
    assert (plain[0] < plain[1]) == (len(set(group)) > 1)


def test_one_row_is_all_that_a_bootstrap_knows():
    assert bootstrap_interval(lambda rows: np.full(len(rows), 0.5), 1) == (0.5, 0.5)


def test_the_bootstrap_is_the_same_for_the_same_seed():
    values = np.random.default_rng(1).normal(size=80)

    def mean(rows):
        return values[rows].mean(1)

    assert bootstrap_interval(mean, 80) == bootstrap_interval(mean, 80)
    assert bootstrap_interval(mean, 80, seed=1) != bootstrap_interval(mean, 80)


def test_the_bootstrap_interval_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(lambda rows: values[rows].mean(1), 400)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    narrow = bootstrap_interval(lambda rows: values[rows].mean(1), 400, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_the_bootstrap_looks_at_many_rows_in_blocks():
    sizes = []

    def mean(rows):
        sizes.append(rows.size)
        return rows.mean(1)

    bootstrap_interval(mean, 25_000, resamples=300)
    assert len(sizes) > 1
    assert max(sizes) <= 2_000_000
    assert sum(sizes) == 300 * 25_000


def test_an_interval_over_clusters_is_as_wide_as_they_differ():
    generator = np.random.default_rng(0)
    alike = [generator.normal(10, 0.1, 200) for _ in range(3)]
    apart = [generator.normal(centre, 0.1, 200) for centre in (9, 10, 11)]

    low, high = clustered_median_interval(alike)
    assert 9.9 < low < 10 < high < 10.1
    low, high = clustered_median_interval(apart)
    assert low < 9.2 and high > 10.8
    assert clustered_median_interval([[1.0], [2.0], [3.0]]) is None
    assert clustered_median_interval(apart) == clustered_median_interval(apart)
