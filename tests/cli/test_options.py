"""Values of options that people write in several ways."""

import pytest
import typer
from cli_helpers import run

from slmbench.cli.shared_options import parse_percentage, parse_points, share_parser


@pytest.mark.parametrize("parse", [parse_percentage, parse_points, share_parser(), share_parser("either")])
@pytest.mark.parametrize(
    ("text", "share"),
    [("5%", 0.05), ("5 %", 0.05), ("0.5 points", 0.005), ("1pp", 0.01), ("1 point", 0.01), ("0", 0)],
)
def test_a_share_with_its_unit_means_the_same_everywhere(parse, text, share):
    assert parse(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("parse", "text", "share"),
    [
        (parse_percentage, "5", 0.05),
        (parse_percentage, "0.5", 0.005),
        (parse_points, "0.5", 0.005),
        (parse_points, "1", 0.01),
        (share_parser(), "0.01", 0.01),
        (share_parser(), "1e-3", 0.001),
        (share_parser("either"), "0.85", 0.85),
        (share_parser("either"), "85", 0.85),
    ],
)
def test_bare_numbers_mean_what_they_did(parse, text, share):
    assert parse(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("parse", "text", "instead"),
    [
        (share_parser(), "1", "1% or 100%"),
        (share_parser(), "2", "2%"),
        (share_parser("either"), "1", "1% or 100%"),
        (parse_points, "0.005", "0.5%"),
        (parse_percentage, "0.05", "5%"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_what_to_write(parse, text, instead):
    with pytest.raises(typer.BadParameter, match=instead):
        parse(text)


@pytest.mark.parametrize("parse", [parse_percentage, share_parser(), share_parser("either")])
@pytest.mark.parametrize("text", ["five", "-1", "101%", "nan", "", "150"])
def test_limits_that_are_none_are_usage_errors(parse, text):
    with pytest.raises(typer.BadParameter, match="from 0 to 100"):
        parse(text)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("export", "run", "--max-accuracy-drop", "1"), "--max-accuracy-drop"),
        (("compare", "--min-accuracy", "1"), "--min-accuracy"),
        (("compare", "--baseline", "x", "--fail-if-worse", "0.005"), "--fail-if-worse"),
        (("cascade", "a", "b", "--max-routed", "20"), "--max-routed"),
        (("finetune", "--test-share", "30"), "--test-share"),
    ],
)
def test_every_command_refuses_them(words, option):
    result = run(*words)
    assert result.exit_code == 2
    assert option in result.stderr and "%" in result.stderr


def test_the_sentence_names_the_option_and_the_value():
    for words, facts in (
        (("versus", "a", "b", "--fail-if-slower=-1"), ("--fail-if-slower", "-1", "from 0 to 100")),
        (("evaluate", "run", "--test-size", "half"), ("--test-size half", "all")),
    ):
        result = run(*words)
        assert result.exit_code == 2
        assert all(fact in result.stderr for fact in facts)
