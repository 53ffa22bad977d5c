"""Which epoch is kept."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from slmbench.methods.training.selection import EpochSelector


def validation(right, reviews=100):
    """What the Trainer passes on after an epoch with so many right answers."""
    truth = np.arange(reviews) % 2
    predicted = np.where(np.arange(reviews) < right, truth, 1 - truth)
    return SimpleNamespace(label_ids=truth, predictions=np.eye(2)[predicted])


@pytest.mark.parametrize(
    ("right", "kept"),
    [
        ((80, 90, 95), 3),
        ((95, 90, 80), 1),
        ((80, 90, 89), 3),  # the error of 90 % on 100 reviews is 3 points
        ((80, 90, 86), 2),
        ((90, 80, 88), 3),
        ((50, 50, 50), 3),
        ((100, 99, 99), 1),  # nothing is as good as a perfect score
    ],
)
def test_the_last_epoch_within_one_standard_error_of_the_best_is_kept(right, kept):
    select = EpochSelector("accuracy")
    scores = [select(validation(count))["selection"] for count in right]
    assert int(np.argmax(scores)) + 1 == kept


def test_epochs_before_an_interruption_count():
    assert EpochSelector("accuracy", [0.8, 0.95])(validation(80))["selection"] == 0
    assert EpochSelector("accuracy", [0.8, 0.95])(validation(94))["selection"] == 3


def test_metrics_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    truth, logits = generator.integers(0, 3, 60), generator.normal(size=(60, 3))
    found = EpochSelector("macro_f1")(SimpleNamespace(label_ids=truth, predictions=(logits, "hidden states")))
    assert found["accuracy"] == pytest.approx((truth == logits.argmax(1)).mean())
    assert found["macro_f1"] == pytest.approx(f1_score(truth, logits.argmax(1), average="macro"))
