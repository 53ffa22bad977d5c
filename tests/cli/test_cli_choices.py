"""Values of options that people write in several ways."""

import pytest

from slmbench.cli.choices import percentage
from slmbench.common.errors import UsageError


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("5 %", 0.05), ("0.5", 0.005), ("0", 0)])
def test_limits_are_read_as_percentages(text, share):
    assert percentage("--fail-if-slower", text) == pytest.approx(share)
    assert percentage("--fail-if-slower", None) is None


@pytest.mark.parametrize("text", ["five", "-1", "101%", "nan", ""])
def test_limits_that_are_none_are_usage_errors(text):
    with pytest.raises(UsageError, match=r"--fail-if-slower takes a number from 0 to 100, such as 5%"):
        percentage("--fail-if-slower", text)
