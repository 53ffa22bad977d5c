"""The interval of a cross-validated accuracy: known values, and its coverage."""

import numpy as np
import pytest
from scipy.special import ndtr

from slmbench.statistics import cross_validation_interval


def test_the_corrected_variance_is_that_of_nadeau_and_bengio():
    accuracies = [0.5, 0.6, 0.9, 0.8, 0.7]
    low, high = cross_validation_interval(accuracies, [40] * 5, [160] * 5)
    # Standard deviation 0.1581, t with 4 degrees of freedom 2.7764, factor 1/5 + 1/4.
    half = 2.776445 * 0.158114 * (1 / 5 + 1 / 4) ** 0.5
    assert (low, high) == (pytest.approx(0.7 - half, abs=1e-5), pytest.approx(0.7 + half, abs=1e-5))


def test_folds_that_agree_do_not_make_it_certain():
    low, high = cross_validation_interval([1.0] * 5, [3, 3, 3, 3, 2], [11, 11, 11, 11, 12])
    # Wilson for 14 of 14: 14 / (14 + 1.96^2).
    assert low == pytest.approx(14 / (14 + 1.959964**2), abs=1e-5)
    assert high == 1.0


@pytest.mark.parametrize(("reviews", "delta"), [(14, 2.0), (40, 1.0)])
def test_it_covers_the_accuracy_on_new_reviews(reviews, delta):
    generator = np.random.default_rng(7)
    folds, true, intervals = 5, [], []
    for _ in range(250):
        truth = np.arange(reviews) % 2
        points = generator.normal(size=(reviews, 3))
        points[:, 0] += delta * (2 * truth - 1)
        fold = np.empty(reviews, dtype=int)
        for label in (0, 1):
            own = generator.permutation(np.flatnonzero(truth == label))
            fold[own] = np.arange(len(own)) % folds
        accuracies = []
        for number in range(folds):
            train = fold != number
            means = [points[train & (truth == label)].mean(0) for label in (0, 1)]
            weights, border = means[1] - means[0], (means[1] - means[0]) @ (means[0] + means[1]) / 2
            accuracies.append((((points[~train] @ weights) > border) == truth[~train]).mean())
            norm, shift = np.linalg.norm(weights), delta * weights[0]
            true.append((ndtr((shift - border) / norm) + ndtr((shift + border) / norm)) / 2)
        sizes = np.bincount(fold)
        intervals.append(cross_validation_interval(accuracies, sizes, reviews - sizes))
    expected = np.mean(true)
    assert np.mean([low <= expected <= high for low, high in intervals]) >= 0.95
