"""Learning curves: the exponent of a known law, intervals of the test reviews, and when there is none."""

import numpy as np
import pytest

from slmbench.deciding.learning_curve import learning_curve


def answers(errors: int, reviews: int = 10_000) -> np.ndarray:
    """Answers of which so many are wrong; those of a smaller number of errors are wrong in fewer of the same rows."""
    return np.arange(reviews) >= errors


def test_the_exponent_of_a_power_law_is_found():
    trained = [(size, answers(round(10_000 * 2 * size**-0.35))) for size in (250, 500, 1000, 2000)]
    curve = learning_curve("tfidf", trained)
    assert curve.exponent == pytest.approx(0.35, abs=0.005)
    assert curve.exponent_ci95[0] < 0.35 < curve.exponent_ci95[1]
    assert [one.train_reviews for one in curve.predicted] == [4000, 8000]
    for one in curve.predicted:
        assert one.accuracy == pytest.approx(1 - 2 * one.train_reviews**-0.35, abs=0.002)
        assert one.ci95[0] < one.accuracy < one.ci95[1]
    assert curve.points[0] == (250, trained[0][1].mean())


def test_fewer_test_reviews_make_wider_intervals():
    def width(reviews: int) -> float:
        law = [(size, answers(round(reviews * 2 * size**-0.35), reviews)) for size in (250, 500, 1000)]
        low, high = learning_curve("tfidf", law).predicted[0].ci95
        return high - low

    assert width(200) > 2 * width(5000)


def test_order_does_not_count_and_a_perfect_rung_has_a_curve():
    trained = [(1000, answers(0)), (250, answers(900)), (500, answers(100))]
    curve = learning_curve("tfidf", trained)
    assert curve == learning_curve("tfidf", sorted(trained, key=lambda one: one[0]))
    assert 0.99 < curve.predicted[0].accuracy < 1


@pytest.mark.parametrize("sizes", [(), (500,), (500, 1000), (500, 500, 1000)])
def test_two_sizes_are_no_curve(sizes):
    assert learning_curve("tfidf", [(size, answers(100)) for size in sizes]) is None
