"""What a cascade costs, computed from its members' times."""

import pytest

from slmbench.cascade.arithmetic import break_even, cascade_time


def test_at_break_even_a_cascade_is_as_slow_as_the_large_model_alone():
    assert break_even(2.0, 50.0) == 0.96
    assert cascade_time(2.0, 50.0, break_even(2.0, 50.0)) == pytest.approx(50.0)
    assert break_even(50.0, 50.0) == 0
    assert break_even(100.0, 50.0) < 0
