"""Intervals of times: of these reviews for comparing, of such reviews for what an app will see."""

import numpy as np
import pytest
from scipy import stats

from slmbench.records import Latency
from slmbench.statistics import crossed_percentile_interval, noise_interval, review_times, timing_interval

#: Log-normal lengths as those of IMDb's reviews, and what one standard deviation of noise and of processes is.
LENGTHS = 0.6


def measured(generator, reviews, passes=1, processes=5, between=0.05, noise=0.05, lengths=None):
    """Times of reviews with log-normal lengths; the median of all such reviews in all processes is 1."""
    if lengths is None:
        lengths = generator.normal(0, LENGTHS, reviews)
    return [
        np.exp(
            np.tile(lengths, passes) + generator.normal(0, between) + generator.normal(0, noise, reviews * passes)
        ).tolist()
        for _ in range(processes)
    ]


@pytest.mark.parametrize(("q", "reviews", "passes"), [(95, 130, 1), (95, 200, 3), (50, 50, 1)])
def test_intervals_of_such_reviews_cover_the_percentile_of_all_reviews(q, reviews, passes):
    generator, tries, covered = np.random.default_rng(0), 100, 0
    truth = float(np.exp(stats.norm.ppf(q / 100) * np.hypot(LENGTHS, 0.05)))
    for _ in range(tries):
        low, high = crossed_percentile_interval(measured(generator, reviews, passes), reviews, q, resamples=60)
        covered += low <= truth <= high
    # Repeats as independent samples covered 45 to 65 %.
    assert covered >= 0.9 * tries


def test_intervals_of_these_reviews_cover_the_next_processes_whatever_the_lengths():
    generator, tries, covered, widths = np.random.default_rng(1), 400, 0, []
    for _ in range(tries):
        lengths = generator.normal(0, LENGTHS, 80)
        low, high = timing_interval(measured(generator, 80, between=0.03, lengths=lengths), 80)
        covered += low <= np.exp(np.median(lengths)) <= high
        widths.append(np.log(high / low))
    assert stats.binomtest(covered, tries, 0.95, alternative="less").pvalue > 0.01
    # Five processes of 3 %: Student's t is 2.8 standard errors. Lengths alone would make it six times as wide.
    assert np.median(widths) < 0.1


def test_a_machine_without_noise_needs_two_passes():
    times = measured(np.random.default_rng(2), 200, passes=2, processes=1, noise=0)
    assert noise_interval(times, 200) == pytest.approx((1, 1))
    assert timing_interval(times * 3, 200) == pytest.approx((np.median(times[0]),) * 2)


def test_noise_is_of_the_process_and_not_of_its_reviews():
    generator = np.random.default_rng(3)
    narrow, wide = (
        noise_interval(measured(generator, 200, passes=2, processes=1, noise=noise), 200) for noise in (0.05, 0.4)
    )
    # The median of 400 samples has 1.25 standard deviations over the square root of 400.
    assert narrow[1] - 1 == pytest.approx(1.96 * 1.25 * 0.05 / 20, rel=0.5)
    assert wide[1] - 1 == pytest.approx(1.96 * 1.25 * 0.4 / 20, rel=0.5)


def test_repeats_of_fifty_reviews_support_no_p95():
    few, enough = (
        Latency(processes_ms=measured(np.random.default_rng(4), reviews, passes), reviews=reviews)
        for reviews, passes in ((50, 5), (130, 1))
    )
    assert (few.different, few.p95_ms, few.p95_ci95_ms) == (50, None, None)
    assert "130" in few.unsupported["p95_ms"] and "50" in few.unsupported["p95_ms"]
    assert enough.p95_ci95_ms[0] < enough.p95_ms < enough.p95_ci95_ms[1]
    assert enough.p99_ms is None and "662" in enough.unsupported["p99_ms"]


def test_further_reviews_make_a_p99_and_leave_the_rest_as_it_is():
    generator = np.random.default_rng(8)
    whole = measured(generator, 662)
    latency = Latency(
        processes_ms=[one[:200] + one[:200] for one in whole], further_ms=[one[200:] for one in whole], reviews=200
    )
    alone = Latency(processes_ms=latency.processes_ms, reviews=200)
    assert latency.p99_ms == pytest.approx(np.percentile(np.concatenate(whole), 99))
    assert latency.p99_ci95_ms[0] < latency.p99_ms < latency.p99_ci95_ms[1] and "p99_ms" not in latency.unsupported
    for name in ("p50_ms", "p50_ci95_ms", "ci95_ms", "p95_ms", "p95_ci95_ms", "mean_ms", "outliers"):
        assert getattr(latency, name) == getattr(alone, name)
    assert alone.p99_ms is None and "662" in alone.unsupported["p99_ms"]


def test_repeats_make_no_interval_of_such_reviews_narrower_than_reviews_allow():
    lengths = np.random.default_rng(5).normal(0, LENGTHS, 200)
    once, often = (
        Latency(
            processes_ms=measured(np.random.default_rng(6), 200, passes, between=0.01, lengths=lengths), reviews=200
        )
        for passes in (1, 9)
    )
    for name in ("p50_ci95_ms", "p95_ci95_ms"):
        (low, high), (low9, high9) = getattr(once, name), getattr(often, name)
        assert np.log(high9 / low9) == pytest.approx(np.log(high / low), rel=0.25)
    # That of these reviews is about processes and noise, and far narrower.
    assert once.ci95_ms[1] - once.ci95_ms[0] < 0.4 * (once.p50_ci95_ms[1] - once.p50_ci95_ms[0])


def test_what_cannot_be_told_is_none():
    times = measured(np.random.default_rng(7), 100)
    # One process and one pass do not tell noise from lengths, two processes not how much processes differ.
    assert noise_interval(times[:1], 100) is None
    assert timing_interval(times[:2], 100) is crossed_percentile_interval(times[:2], 100, 50) is None
    few = [process[:5] for process in times]
    assert timing_interval(few, 100) is not None and crossed_percentile_interval(few, 5, 50) is None


def test_processes_that_agree_by_chance_keep_the_width_of_noise():
    lengths = np.random.default_rng(8).normal(0, LENGTHS, 100)
    (times,) = measured(np.random.default_rng(9), 100, passes=2, processes=1, noise=0.2, lengths=lengths)
    low, high = timing_interval([times] * 3, 100)
    assert high / low > 1.02


@pytest.mark.parametrize(("reviews", "passes", "processes", "q"), [(7, 1, 3, 50), (130, 2, 5, 95), (3000, 1, 2, 99)])
def test_a_replayed_percentile_is_that_of_the_samples_copied(reviews, passes, processes, q):
    """Uneven processes and equal times included; every replay, not only the ends."""
    times = measured(np.random.default_rng(5), reviews, passes, processes)
    times[0] = np.round(times[0][: len(times[0]) * 2 // 3], 1).tolist()
    logs = [np.log(one) for one in times]
    rows = [np.arange(len(one)) % reviews for one in times]
    replays = review_times._crossed_replays(logs, rows, q, 60, 3)
    for number, drawn in enumerate(review_times._crossed_draws(reviews, processes, 60, 60, 3)):
        assert number == 0
        for replay, of_reviews, of_processes in zip(replays, *drawn, strict=True):
            times_copied = [of_reviews[row] * n for row, n in zip(rows, of_processes, strict=True)]
            copied = [np.repeat(one, n.astype(int)) for one, n in zip(logs, times_copied, strict=True)]
            assert replay == pytest.approx(np.percentile(np.concatenate(copied), q), rel=1e-12)
