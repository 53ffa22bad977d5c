"""What choosing adds to an accuracy: the correction is unbiased, and its interval covers what it says."""

import numpy as np
import pytest
from scipy.stats import norm

from slmbench.statistics.resampling import corrected_for_selection, selection_optimism


def most_accurate(right):
    return lambda weights: (weights @ right.T).argmax(1)


def models(accuracies, reviews, own, rng):
    """Whether models are right: reviews have a difficulty in common, and ``own`` of the variance is each model's."""
    difficulty = np.sqrt(1 - own) * rng.normal(size=reviews)
    score = difficulty + np.sqrt(own) * rng.normal(size=(len(accuracies), reviews))
    return (score < norm.ppf(accuracies)[:, None]).astype(float)


def simulate(accuracies, trials=600, reviews=300, own=0.3, replays=60):
    """Mean errors of the winner's accuracy in points, and coverage of its interval, before and after correction."""
    rng = np.random.default_rng(3)
    errors, covered = [], []
    for trial in range(trials):
        right = models(np.asarray(accuracies), reviews, own, rng)
        shown = right.mean(1)
        winner = int(shown.argmax())
        value, truth = float(shown[winner]), accuracies[winner]
        half = 1.96 * np.sqrt(value * (1 - value) / reviews)
        plain = value - half, value + half
        optimism = selection_optimism(right, most_accurate(right), replays=replays, seed=trial)
        corrected, interval = corrected_for_selection(value, plain, optimism)
        errors.append((value - truth, corrected - truth))
        covered.append((plain[0] <= truth <= plain[1], interval[0] <= truth <= interval[1]))
    return 100 * np.mean(errors, axis=0), np.mean(covered, axis=0)


def test_the_winner_of_nine_equal_models_is_corrected():
    (before, after), (plain, interval) = simulate([0.87] * 9)
    assert before > 1.5 and plain < 0.85  # what is to be corrected
    assert abs(after) < 0.25
    assert interval >= 0.94


@pytest.mark.parametrize("accuracies", [[0.87] * 2, [0.87 - 0.01 * number for number in range(9)]])
def test_the_interval_covers_where_models_differ_or_are_few(accuracies):
    (_, after), (_, interval) = simulate(accuracies)
    assert abs(after) < 0.5
    assert interval >= 0.93


def test_a_clear_winner_needs_no_correction():
    right = models(np.array([0.95, 0.6]), 400, 0.3, np.random.default_rng(0))
    assert abs(selection_optimism(right, most_accurate(right))) < 0.003


def test_one_candidate_has_no_optimism_but_the_noise_of_the_replays():
    right = models(np.array([0.87]), 1000, 0.3, np.random.default_rng(0))
    assert abs(selection_optimism(right, lambda weights: np.zeros(len(weights), int))) < 0.002


def test_nothing_left_out_gives_no_correction():
    assert selection_optimism(np.ones((2, 1)), lambda weights: np.zeros(len(weights), int)) == 0


def test_the_same_reviews_give_the_same_optimism():
    right = models(np.full(3, 0.87), 200, 0.3, np.random.default_rng(0))
    assert selection_optimism(right, most_accurate(right)) == selection_optimism(right, most_accurate(right))


def test_interval_keeps_within_a_share():
    assert corrected_for_selection(0.99, (0.97, 1.0), 0.001)[1][1] <= 1.0
    assert corrected_for_selection(0.9, (0.88, 0.92), 0.0) == (0.9, (pytest.approx(0.88), pytest.approx(0.92)))
