"""Did-you-mean: what is close to what was typed."""

import pytest

from slmbench.common.suggestions import did_you_mean

OPTIONS = ("learning_rate", "label_column", "batch_size", "epochs", "processes", "accuracy", "top-2-accuracy")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("learningrate", "learning_rate"),
        ("lr", "learning_rate"),
        ("acc", "accuracy"),
        ("--rounds", "processes"),
        ("num_train_epochs", "epochs"),
        ("bs", "batch_size"),
    ],
)
def test_the_name_meant_is_found(typed, meant):
    assert f"'{meant}'" in did_you_mean(typed, OPTIONS)


@pytest.mark.parametrize("typed", ["", "l", "xyz", "e"])
def test_nothing_is_suggested_where_nothing_is_close(typed):
    assert did_you_mean(typed, OPTIONS) == ""


def test_one_of_several_that_begin_alike_is_not_guessed():
    assert did_you_mean("ab", ("abcdefgh", "abijklmn")) == ""
    # What the options here do not have is not suggested.
    assert did_you_mean("rounds", ("epochs",)) == ""
