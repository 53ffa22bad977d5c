"""What is found slower or worse than a baseline, what is not, and what cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest
from factories import RASPBERRY, batched, ladder, predictions, profile_record, served
from scipy.stats import binom

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.compare import RegressionGate, compare
from slmbench.records import Latency, Row, write_record
from slmbench.statistics import ratio_interval


def times_slower(profile, factor):
    """The same measurement with every sample longer by a factor."""
    longer = [[sample * factor for sample in process] for process in profile.latency.processes_ms]
    return profile.model_copy(update={"latency": Latency(processes_ms=longer)})


def median_of(latency):
    return latency.p50_ms, latency.ci95_ms


@pytest.fixture
def held(tmp_path):
    """Hold profiles against others that lie in a folder, or against a row."""

    def held(now, before, slower=0.05, worse=0.005, failures=()):
        for place, profiles in (("now", now), ("before", before)):
            for number, profile in enumerate(() if isinstance(profiles, str) else profiles):
                write_record(profile, tmp_path / place / f"{number}.json")
        against = before if isinstance(before, str) else str(tmp_path / "before")
        standard = RegressionGate(against, slower, worse)
        return compare([tmp_path / "now"], baseline=standard, failures=failures).baseline

    return held


def test_a_planted_slowdown_of_a_tenth_is_found_in_its_row_only(held):
    before = ladder()
    now = [times_slower(profile, 1.10) if profile.form == "int8" else profile for profile in before]
    report = held(now, before)
    slower = {check.row for check in report.checks if check.slower}
    assert slower == {"bert-tiny int8", "minilm-l6-3layers int8", "minilm-l6 int8"}
    assert len(report.failures) == 3 and len(report.checks) == 7
    failure = next(failure for failure in report.failures if failure.startswith("minilm-l6 int8"))
    assert "minilm-l6 int8 is 10 % slower (p50 15.3 ms against 13.9 ms of the baseline; ratio 1.100" in failure
    assert failure.endswith("; the limit is 5 %")


def test_what_was_measured_twice_is_not_called_different(held):
    report = held(ladder(), ladder(), slower=0.0, worse=0.0)
    assert report.failures == [] and report.notes == []
    assert not any(check.slower or check.worse for check in report.checks)
    assert all(check.p50_ratio == 1 and check.accuracy.p_value == 1 for check in report.checks)
    assert report.checks[0].sentence.endswith("it is right on the same reviews (83.9 %)")


def test_a_slowdown_within_the_limit_passes(held):
    report = held([times_slower(profile_record(), 1.10)], [profile_record()], slower=0.2)
    assert report.failures == [] and report.checks[0].p50_ratio_ci95[0] > 1


def test_processes_that_disagree_make_no_verdict(held):
    # 12 % slower, but the baseline's own processes lie further apart than that.
    unsteady = Latency(processes_ms=[[level + i % 7 / 100 for i in range(60)] for level in (8.0, 10.0, 13.0)])
    before = profile_record(latency=unsteady)
    report = held([times_slower(before, 1.12)], [before])
    assert report.failures == []
    (doubt,) = report.inconclusive
    assert "inconclusive" in doubt and "more would settle it" in doubt and "5 %" in doubt
    assert report.checks[0].slower_gate == "inconclusive" and not report.checks[0].slower


def test_a_planted_tenth_does_not_pass_because_its_ratio_is_not_known_well(held):
    """Processes 6 % apart: the interval of a ratio of 1.1 includes 1, and a limit of 5 % is far from kept."""
    unsteady = Latency(processes_ms=[[level + i % 7 / 100 for i in range(60)] for level in (9.4, 10.0, 10.6)])
    before = profile_record(latency=unsteady)
    report = held([times_slower(before, 1.10)], [before])
    assert report.checks[0].p50_ratio_ci95[0] < 1 < report.checks[0].p50_ratio
    assert report.failures == [] and len(report.inconclusive) == 1


def test_a_reseeded_equal_model_neither_fails_nor_passes_half_a_point(held):
    now = profile_record(predictions=predictions(0.855, who="another seed", noise=0.6))
    report = held([now], [profile_record(accuracy=0.86)], slower=None)
    assert report.failures == []
    (doubt,) = report.inconclusive
    assert "test reviews more" in doubt and "0.5 points" in doubt


@pytest.mark.parametrize("processes", [3, 8])
def test_the_interval_of_a_ratio_covers_at_least_as_often_as_it_says(processes):
    """Two measurements of one thing, with processes that differ: 1 is inside in 95 of 100 tries or more."""
    generator = np.random.default_rng(7)

    def measured():
        levels = 20 * np.exp(0.04 * generator.normal(size=processes))
        return Latency(processes_ms=[(level * np.exp(0.2 * generator.normal(size=60))).tolist() for level in levels])

    intervals = [ratio_interval(median_of(measured()), median_of(measured())) for _ in range(40)]
    # Of intervals that cover in 95 % of cases, one set of 40 in a hundred has fewer hits than this.
    assert sum(low <= 1 <= high for low, high in intervals) >= binom.ppf(0.01, 40, 0.95)
    assert ratio_interval(median_of(Latency(processes_ms=[[1.0, 2.0]])), median_of(measured())) is None


def test_a_lost_point_is_found_on_the_same_reviews_with_its_test(held):
    before = profile_record(predictions=predictions(0.87, noise=0))
    now = profile_record(predictions=predictions(0.86, noise=0))
    report = held([now], [before])
    (failure,) = report.failures
    assert "1.0 points less accurate (86.0 % against 87.0 % of the baseline" in failure
    assert "p = 0.002" in failure and failure.endswith("; the limit is 0.5 points")
    assert report.checks[0].accuracy.only_first_right == 10
    assert held([now], [before], worse=0.01).failures == []
    assert held([now], [before], worse=None).failures == []


def test_accuracies_on_other_reviews_are_refused_in_a_sentence(held):
    now, before = profile_record(corpus="rotten-tomatoes"), profile_record()
    (failure,) = held([now], [before], slower=None).failures
    assert "was tested on other reviews" in failure and "the limit cannot be checked" in failure
    report = held([now], [before], slower=None, worse=None)
    assert report.failures == [] and report.checks[0].accuracy is None


def test_latencies_of_another_machine_or_setting_are_refused_in_a_sentence(held):
    for before in (profile_record(machine=RASPBERRY), profile_record(threads=1)):
        report = held([times_slower(profile_record(), 0.5)], [before])
        (failure,) = report.failures
        assert "their latencies are not compared" in failure
        assert report.checks[0].p50_ratio is None and report.checks[0].accuracy.difference == 0


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (served(40), served(10)),
        (batched(256), batched(16_384)),
        (profile_record(corpus="imdb"), profile_record(corpus="rotten-tomatoes")),
    ],
    ids=["arrivals", "size of batches", "reviews"],
)
def test_latencies_in_other_circumstances_are_refused_in_a_sentence(held, now, before):
    report = held([now], [before], worse=None)
    (failure,) = report.failures
    assert "their latencies are not compared" in failure and "the limit cannot be checked" in failure
    assert report.checks[0].p50_ratio is None
    # The two ways that the sentence names differ.
    one, other = failure.partition("was timed ")[2].split(", the baseline ")
    assert one.partition(" ")[2] != other.partition(" ")[2]


def test_in_the_offline_scenario_passes_are_held_against_passes(held):
    # As many milliseconds a batch, and half as many batches.
    report = held([batched(2048, seconds=2.0)], [batched(2048, seconds=1.0)], worse=None)
    (failure,) = report.failures
    assert "is 2.0× slower (100 reviews/s against 200 reviews/s of the baseline; ratio 2.000" in failure


def test_highest_rates_are_compared_and_not_the_latency_at_them(held):
    report = held([served(20, bound=50), served(80, "quick", bound=50)], "quick fp32", worse=None)
    (failure,) = report.failures
    assert all(fact in failure for fact in ("4.0× slower", "20.0 reviews/s against 80.0 reviews/s"))


def test_new_and_missing_rows_are_told_and_do_not_fail(held):
    report = held([profile_record(), profile_record("new")], [profile_record(), profile_record("old")])
    assert report.failures == []
    assert report.notes == [
        "new fp32 is new: the baseline has no such bundle and form",
        "old fp32 of the baseline was not measured here",
    ]
    with pytest.raises(SlmbenchError, match="no row has a counterpart in the baseline"):
        held([profile_record("other")], [profile_record("old")])


def test_every_other_row_is_held_against_a_row_of_its_machine(held):
    now = [*ladder(), *ladder(RASPBERRY, 4.0)]
    report = held(now, "minilm-l6 int8")
    assert len(report.checks) == 12
    assert {check.baseline for check in report.checks} == {"minilm-l6 int8"}
    slower = [check for check in report.checks if check.slower]
    assert {check.row for check in slower} == {"minilm-l6 fp32"} and len(slower) == 2
    # 6 % slower under a limit of 5 %: nobody can tell.
    assert sum(sentence.startswith("minilm-l6-3layers fp32 ") for sentence in report.inconclusive) >= 2
    assert all(check.p50_ratio > 1 for check in slower)


def test_a_row_can_be_named_by_its_model_where_that_is_one_row(held):
    assert len(held(ladder(), "tfidf").checks) == 6
    with pytest.raises(UsageError, match="could be several rows: write out one of minilm-l6 int8 and minilm-l6 fp32"):
        held(ladder(), "minilm-l6")
    with pytest.raises(UsageError, match=r"no profile, no folder and no row: the rows are tfidf fp32, "):
        held(ladder(), "minilm-16 int8")


def test_a_row_that_could_not_be_measured_does_not_pass(held):
    lost = Row(name="minilm-l6", failure="out of memory")
    report = held([profile_record("other")], [profile_record("other"), profile_record()], failures=[lost])
    assert report.failures == [
        "minilm-l6 could not be measured (out of memory), so no limit of the baseline can be checked"
    ]
    # What the baseline never had is new, and new rows are compared with nothing.
    new = Row(name="new", form="fp32", failure="out of memory")
    assert held([profile_record()], [profile_record()], failures=[new]).failures == []
    # Against a row every other one is held.
    against_row = held([profile_record()], "minilm-l6 fp32", failures=[new])
    assert len(against_row.failures) == 1 and "new fp32 could not be measured" in against_row.failures[0]


def test_without_limits_a_row_that_could_not_be_measured_is_told(held):
    lost = Row(name="minilm-l6", form="fp32", failure="out of memory")
    report = held([profile_record("other")], [profile_record()], slower=None, worse=None, failures=[lost])
    assert report.failures == [] and any("minilm-l6 fp32 could not be measured" in note for note in report.notes)


def test_a_baseline_row_that_could_not_be_measured_fails_every_limit(held):
    report = held([profile_record("other")], "minilm-l6 int8", failures=[Row(name="minilm-l6", failure="no memory")])
    assert report.checks == [] and len(report.failures) == 1


def test_the_profiles_of_a_baseline_are_those_of_the_time_when_they_were_read(tmp_path):
    write_record(profile_record(p50_ms=10), tmp_path / "one.json")
    standard = RegressionGate(str(tmp_path), 0.05)
    assert len(standard.profiles) == 1
    write_record(profile_record(p50_ms=20), tmp_path / "one.json")
    report = compare([tmp_path], baseline=standard).baseline
    assert report.checks[0].p50_ratio == pytest.approx(2) and len(report.failures) == 1
