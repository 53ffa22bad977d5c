"""Two bundles in turns: who is asked when, what is found, and how it is said."""

import shutil
from itertools import cycle

import numpy as np
import pytest
from profiling_helpers import FakeProcess, children, steady

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.profiling import ProfileOptions
from slmbench.profiling import versus as module
from slmbench.profiling.versus import PAIRS, find_contestant, versus
from slmbench.records import read_record
from slmbench.records.versus import VersusRecord

OPTIONS = ProfileOptions(processes=PAIRS)


@pytest.fixture
def other(bundle):
    return shutil.copytree(bundle, bundle.parent / "other")


@pytest.fixture
def race(monkeypatch, bundle, other, tmp_path):
    """Measure ``bundle`` against ``other`` with made-up latencies, one maker of them for each; returns the record."""

    def run(first_ms, second_ms, options=OPTIONS):
        asked = []

        class Noted(FakeProcess):
            def ask(self, request):
                asked.append((self.side, request))
                return super().ask(request)

        def start(task):
            side = "other" if task["folder"].endswith("other") else "bundle"
            process = Noted((second_ms if side == "other" else first_ms)())
            process.side, process.task = side, task
            asked.append((side, {"do": "start"}))
            return process

        monkeypatch.setattr(module, "MeasuredProcess", start)
        record = versus(str(bundle), str(other), options, output=tmp_path / "profiles", command=["slmbench"])
        return record, asked

    return run


def noisy(centre, between=0.02, within=0.05):
    """Processes that differ by a factor each, and reviews that differ by more; with a seed for each process."""
    seeds = iter(range(1000))

    def start():
        generator = np.random.default_rng([next(seeds), round(centre * 1000)])
        factor = centre * np.exp(generator.normal(0, between))
        lengths = np.exp(np.random.default_rng(0).normal(0, 0.5, 200))
        return (factor * lengths[row % 200] * np.exp(generator.normal(0, within)) for row in range(10**9))

    return start


def test_they_are_asked_in_turns_about_the_same_reviews(race):
    record, asked = race(noisy(2.0), noisy(2.2))

    timed = [(side, request["rows"]) for side, request in asked if request.get("lead")]
    sides = [side for side, _ in timed]
    assert sides[:8] == ["bundle", "other", "other", "bundle"] * 2
    assert all(one[1] == two[1] for one, two in zip(timed[::2], timed[1::2], strict=True))
    assert all(len(pair.first_ms) == len(pair.second_ms) == len(record.pairs[0].first_ms) for pair in record.pairs)
    # Both are alive before either is timed, and which is started first takes turns.
    starts = [side for side, request in asked if request["do"] == "start"]
    assert starts[:4] == ["bundle", "other", "other", "bundle"]
    assert len(starts) == 2 * PAIRS


def test_a_planted_tenth_is_found_and_fails_the_limit(race):
    record, _ = race(noisy(2.2), noisy(2.0))

    assert record.verdict == "slower"
    assert record.ratio.value == pytest.approx(1.1, rel=0.03)
    assert record.ratio.ci95[0] > 1
    assert record.ratio_of_medians.value == pytest.approx(1.1, rel=0.05)
    assert [record.gate(limit) for limit in (0.05, 0.2)] == ["fail", "pass"]
    assert "is slower than" in record.sentence
    assert record.name.startswith("tiny.int8-vs-other.int8.onnxruntime-cpu-")


def test_the_other_way_round_it_is_faster(race):
    record, _ = race(noisy(2.0), noisy(2.2))

    assert record.verdict == "faster"
    assert record.gate(0.0) == "pass"


def test_equals_are_equivalent_and_neither_pass_nor_fail_a_limit_of_nothing(race, tmp_path):
    record, _ = race(noisy(2.0), noisy(2.0))

    assert record.verdict == "equivalent"
    assert "10%" in record.sentence
    assert [record.gate(limit) for limit in (0.0, 0.1)] == ["inconclusive", "pass"]
    assert record.minutes_to_settle(0.0) > 0
    assert read_record(VersusRecord, tmp_path / "profiles" / f"{record.name}.json") == record


def test_processes_that_differ_by_more_than_the_margin_leave_it_undecided(race):
    record, _ = race(noisy(2.0, between=0.3), noisy(2.001, between=0.3))

    assert record.verdict == "undecided"
    assert record.gate(0.05) == "inconclusive"
    assert "undecided" in record.sentence


def test_too_few_samples_tell_nothing_apart(race):
    options = ProfileOptions(processes=1, time_limit_s=1e-9)

    record, _ = race(lambda: cycle([90.0]), steady, options)

    assert record.ratio.ci95 is None
    assert record.verdict == "undecided"
    assert "too few processes (1)" in record.sentence
    assert "interval" in record.note


def test_real_processes_end_with_it(bundle, other, tmp_path):
    options = ProfileOptions(processes=2, time_limit_s=0.2, threads=1)

    record = versus(str(bundle), f"{other}:fp32", options, output=tmp_path)

    assert [record.first.form, record.second.form] == ["int8", "fp32"]
    assert len(record.pairs) == 2
    assert record.ratio.value > 0
    assert children() == []


def test_when_one_does_not_load_the_other_is_ended(bundle, other, tmp_path):
    (other / "tokenizer.json").write_text("{}", encoding="utf-8")

    with pytest.raises(SlmbenchError, match=r"tokenizer\.json has 2 bytes"):
        versus(str(bundle), str(other), ProfileOptions(processes=1, time_limit_s=0.2), output=tmp_path / "profiles")

    assert not (tmp_path / "profiles").exists()
    assert children() == []


def test_contestants_are_found(bundle):
    assert find_contestant(str(bundle), ProfileOptions()).form == "int8"  # what the edge would run
    assert find_contestant(f"{bundle}:fp32", ProfileOptions()).form == "fp32"
    assert find_contestant(str(bundle), ProfileOptions(forms=("fp32",))).form == "fp32"
    assert find_contestant(f"{bundle}:int8", ProfileOptions(forms=("fp32",))).form == "int8"


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("nowhere", ProfileOptions(), "no bundle at nowhere"),
        ("{bundle}:fp99", ProfileOptions(), "has no form fp99; it has: fp32, int8"),
        ("{bundle}", ProfileOptions(forms=("fp32", "int8")), "give one --form, or BUNDLE:FORM"),
        ("{bundle}/..", ProfileOptions(), "holds several bundles"),
    ],
)
def test_contestants_that_are_not_there(bundle, other, text, options, says):
    with pytest.raises(UsageError, match=says):
        find_contestant(text.format(bundle=bundle), options)


def test_other_scenarios_are_not_for_two(bundle, other):
    with pytest.raises(UsageError, match="not the scenario offline"):
        versus(str(bundle), str(other), ProfileOptions(scenario="offline"))
