"""How numbers are written for people."""

from __future__ import annotations

import pytest

from slmbench.common import formatting


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.1234, "0.123"),
        (1.0, "1.00"),
        (9.996, "10.0"),
        (48.24, "48.2"),
        (999.6, "1,000"),
        (1234, "1,230"),
        (0, "0"),
    ],
)
def test_times_have_three_significant_digits(value, written):
    assert formatting.three_digits(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(22_949_000, "22.9 MB"), (99_960_000, "100 MB"), (437_971_872, "438 MB")]
)
def test_megabytes_have_one_decimal_below_100(value, written):
    assert formatting.megabytes(value) == written


@pytest.mark.parametrize(
    ("count", "written"),
    [(820, "820"), (31_207, "31K"), (22_713_986, "22.7M"), (109_486_464, "109M"), (1.3e9, "1.3B")],
)
def test_parameters_are_abbreviated(count, written):
    assert formatting.parameters(int(count)) == written


@pytest.mark.parametrize(
    ("ratio", "written"),
    [
        (1.002, "under 1 % slower"),
        (1.06, "6 % slower"),
        (1.1, "10 % slower"),
        (1.19, "19 % slower"),
        (1.2, "1.2× slower"),
        (2.13, "2.1× slower"),
        (12.4, "12× slower"),
    ],
)
def test_ratios_say_how_much_without_false_precision(ratio, written):
    assert formatting.times(ratio, "slower") == written


def test_p_values_and_lists():
    assert [formatting.p_value(p) for p in (0.554, 0.0291, 0.0004)] == ["p = 0.55", "p = 0.029", "p < 0.001"]
    assert [formatting.listing(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
