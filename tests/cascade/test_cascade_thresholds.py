"""Which threshold is chosen, on reviews written down by hand."""

import pytest

from slmbench.cascade.thresholds import break_even, cascade_time, choose_threshold, sweep, sweep_thresholds
from slmbench.records.cascade import Routing

STEPS = sweep_thresholds(2)


def routing(*groups):
    """Reviews of like kind: how many, the small model's confidence, whether it and the large one are right."""
    rows = [(sure, small, large) for count, sure, small, large in groups for _ in range(count)]
    return Routing(
        row_ids=[str(number) for number in range(len(rows))],
        confidence=[sure for sure, _, _ in rows],
        small_right=[small for _, small, _ in rows],
        large_right=[large for _, _, large in rows],
    )


@pytest.mark.parametrize(("labels", "first", "count"), [(2, 0.50, 50), (3, 0.33, 67), (11, 0.09, 91)])
def test_the_sweep_begins_where_nothing_is_routed(labels, first, count):
    thresholds = sweep_thresholds(labels)
    assert (thresholds[0], thresholds[-1], len(thresholds)) == (first, 0.99, count)
    assert thresholds[0] <= 1 / labels


def test_a_review_is_kept_at_the_threshold_and_routed_below_it():
    reviews = routing((1, 0.8, True, False), (1, 0.7999999, True, False))
    assert reviews.routed(0.8).tolist() == [False, True]
    assert reviews.right(0.8).tolist() == [True, False]


def test_the_least_routing_that_gains_everything():
    reviews = routing((50, 0.555, False, True), (50, 0.705, True, True), (100, 0.995, True, True))
    assert choose_threshold(reviews, STEPS, None) == 0.56


def test_a_gain_within_the_noise_is_not_worth_its_routing():
    # 60 reviews of which the large model corrects 9 and spoils 8: one more right, of 17 that differ.
    clear = (40, 0.525, False, True)
    noise = [(9, 0.805, False, True), (8, 0.805, True, False), (43, 0.805, True, True)]
    assert choose_threshold(routing(clear, *noise, (100, 0.995, True, True)), STEPS, None) == 0.53
    # The same number corrected and none spoiled is no noise.
    assert choose_threshold(routing(clear, (17, 0.805, False, True), (100, 0.995, True, True)), STEPS, None) == 0.81


def test_a_large_model_that_is_worse_is_never_asked():
    reviews = routing((50, 0.6, True, False), (50, 0.9, True, False))
    assert choose_threshold(reviews, STEPS, None) == 0.50


def test_no_more_is_routed_than_allowed():
    reviews = routing((20, 0.555, False, True), (30, 0.705, False, True), (50, 0.995, True, True))
    assert choose_threshold(reviews, STEPS, None) == 0.71
    assert choose_threshold(reviews, STEPS, 0.5) == 0.71
    assert choose_threshold(reviews, STEPS, 0.3) == 0.56
    assert choose_threshold(reviews, STEPS, 0.1) == 0.50


def test_what_the_large_model_was_not_asked_is_not_guessed():
    reviews = routing((1, 0.6, False, True), (1, 0.995, True, None))
    assert reviews.right(0.99).tolist() == [True, True]
    with pytest.raises(ValueError, match="not run"):
        reviews.right(1.0)


def test_the_sweep_reckons_with_both_models_times():
    test = routing((1, 0.6, False, True), (3, 0.9, True, False))
    validation = routing((1, 0.6, False, False), (1, 0.9, True, True))
    low, high = sweep([0.7, 0.95], validation, test, 2.0, 40.0)
    assert (low.accuracy, low.routed, low.ms) == (1.0, 0.25, 12.0)
    assert (low.validation_accuracy, low.validation_routed) == (0.5, 0.5)
    assert (high.accuracy, high.routed, high.ms) == (0.25, 1.0, 42.0)
    (alone,) = sweep([0.7], None, test, 2.0, 40.0)
    assert (alone.validation_accuracy, alone.validation_routed, alone.accuracy) == (None, None, 1.0)


def test_at_break_even_a_cascade_is_as_slow_as_the_large_model_alone():
    assert break_even(2.0, 50.0) == 0.96
    assert cascade_time(2.0, 50.0, break_even(2.0, 50.0)) == pytest.approx(50.0)
    assert break_even(50.0, 50.0) == 0
    assert break_even(100.0, 50.0) < 0
