"""The Pareto front over axes that a person chooses."""

from __future__ import annotations

import pytest
from factories import ladder, profile_record

from slmbench.common.errors import UsageError
from slmbench.compare import compare, parse_axes
from slmbench.compare.front import front_phrase
from slmbench.records import write_record


@pytest.fixture
def decided(tmp_path):
    def decided(*profiles, pareto=None):
        for number, profile in enumerate(profiles):
            write_record(profile, tmp_path / "measured" / f"{number}.json")
        return compare([tmp_path / "measured"], pareto=pareto)

    return decided


def test_a_third_axis_widens_the_front_and_changes_no_recommendation(decided):
    two, three = decided(*ladder()), decided(*ladder(), pareto=["accuracy", "p95", "size"])
    # int8 of bert-tiny is neither accurate nor fast, but smaller than all that are both.
    assert set(two.pareto) <= set(three.pareto)
    assert "minilm-l6-3layers int8" in three.pareto
    assert three.decisions[0].front_axes == ["accuracy", "p95", "size"]
    assert two.recommended == three.recommended
    assert decided(*ladder(), pareto=["accuracy", "p95"]).pareto == two.pareto


def test_a_front_without_accuracy_has_the_smallest_and_fastest_only(decided):
    assert decided(*ladder(), pareto=["p50", "size"]).pareto == ["tfidf fp32"]


def test_what_is_better_when_more_is_better_when_more(decided):
    record = decided(
        profile_record("few", p50_ms=30, size_mb=10), profile_record("many", p50_ms=3, size_mb=20),
        profile_record("neither", p50_ms=31, size_mb=21), pareto=["throughput", "size"],
    )  # fmt: skip
    assert sorted(record.pareto) == ["few fp32", "many fp32"]


def test_a_row_of_which_an_axis_is_not_known_takes_no_part_and_is_named(decided):
    record = decided(profile_record("known"), profile_record("dark", peak_mb=None), pareto=["accuracy", "memory"])
    assert record.pareto == ["known fp32"]
    assert "not considered for the Pareto front, because memory is not known: dark fp32" in record.caveats


def test_axes_are_read_as_people_write_them():
    assert parse_axes(" Accuracy, p50,SIZE ") == ["accuracy", "p50", "size"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("accuracy,speed", "no quantity 'speed'.*accuracy, "), ("p50", "two or more"), ("p50,p50", "different")],
)
def test_axes_that_make_no_front_are_usage_errors(text, said):
    with pytest.raises(UsageError, match=said):
        parse_axes(text)


def test_the_front_is_explained_by_its_axes():
    assert front_phrase(["accuracy", "p95"]) == "no row is both more accurate and faster (p95)"
    assert front_phrase(["accuracy", "p50", "size"]) == (
        "no row is better in one of accuracy, p50 and size and as good in the others"
    )
