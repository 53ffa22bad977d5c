"""Values of options that people write in several ways."""

import pytest
import typer
from cli_helpers import run

from slmbench.cli.shared_options import parse_percentage


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("5 %", 0.05), ("0.5", 0.005), ("0", 0)])
def test_limits_are_read_as_percentages(text, share):
    assert parse_percentage(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["five", "-1", "101%", "nan", ""])
def test_limits_that_are_none_are_usage_errors(text):
    with pytest.raises(typer.BadParameter, match="from 0 to 100"):
        parse_percentage(text)


def test_the_sentence_names_the_option_and_the_value():
    for words, facts in (
        (("versus", "a", "b", "--fail-if-slower=-1"), ("--fail-if-slower", "-1", "from 0 to 100")),
        (("evaluate", "run", "--test-size", "half"), ("--test-size half", "all")),
    ):
        result = run(*words)
        assert result.exit_code == 2
        assert all(fact in result.stderr for fact in facts)
