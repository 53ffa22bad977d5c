"""When a cascade stops paying beside its large member, by the figures of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from factories import MACHINE, RASPBERRY, cascade_profile, profile_record
from reports import compare_and_report

from slmbench.compare.cascades import member_row
from slmbench.compare.cells import name_cells
from slmbench.records import write_record


def pair(small_ms=2.0, large_ms=20.0, machine=MACHINE):
    return (
        profile_record("tiny", "fp32", accuracy=0.82, p50_ms=small_ms, machine=machine),
        profile_record("big", "int8", accuracy=0.87, p50_ms=large_ms, machine=machine),
    )


def share_below(profile, threshold):
    return float((np.asarray(profile.predictions.probabilities).max(1) < threshold).mean())


@pytest.fixture
def facts(tmp_path, without_matplotlib):
    def facts(*profiles):
        for number, profile in enumerate(profiles):
            write_record(profile, tmp_path / f"measured/{number}.json")
        record = compare_and_report([tmp_path / "measured"], report_dir=tmp_path / "report")
        for name in ("report.html", "report.md"):
            report = (tmp_path / "report" / name).read_text(encoding="utf-8").replace("&#39;", "'")
            assert all(fact in report for fact in record.cascades)
        return record.cascades

    return facts


def test_the_break_even_is_that_of_the_members_mean_times(facts):
    small, large = pair()
    cascade = cascade_profile(small, large, 0.7)
    (fact,) = facts(small, large, cascade)
    means = [float(np.mean(one.latency.samples_ms)) for one in (small, large, cascade)]
    routed = share_below(small, 0.7)
    assert 0 < routed < 1 - means[0] / means[1]
    assert f"when it routes {(1 - means[0] / means[1]) * 100:.1f} % of the reviews" in fact
    assert f"it routes fewer: {routed * 100:.1f} % of the test reviews" in fact
    assert f"{means[0] + routed * means[1]:.2f} ms a review computed, {means[2]:.2f} ms measured" in fact
    assert f"less than {(1 - routed) * 100:.1f} % of the large one's time" in fact
    assert f"(here {means[0] / means[1] * 100:.1f} %)" in fact
    assert fact.startswith("tiny+big fp32+int8, which combines tiny fp32 (") and "and big int8 (" in fact


def test_one_that_routes_beyond_the_break_even_is_told(facts):
    small, large = pair(small_ms=18.0)
    assert "; it routes more: " in facts(small, large, cascade_profile(small, large, 0.9))[0]


def test_a_small_member_that_is_slower_never_pays(facts):
    small, large = pair(small_ms=30.0)
    (fact,) = facts(small, large, cascade_profile(small, large))
    assert "is never faster than its large member" in fact


def test_without_both_members_or_measured_otherwise_nothing_is_said(facts, tmp_path):
    small, large = pair()
    cascade = cascade_profile(small, large)
    assert facts(small, cascade) == []
    elsewhere = large.model_copy(update={"hardware": RASPBERRY})
    assert facts(small, elsewhere, cascade) == []
    assert facts(small, large.model_copy(update={"threads": 1}), cascade) == []


def test_a_floor_as_the_small_member_has_one_thread_whatever_the_cascade_has(facts):
    _, large = pair()
    # As `slmbench profile` writes it: numpy runs TF-IDF in one thread.
    floor = profile_record("floor", accuracy=0.82, p50_ms=0.5, method="tfidf", backend="numpy", threads=1)
    (fact,) = facts(floor, large, cascade_profile(floor, large))
    assert "combines floor fp32" in fact


def test_each_machine_has_its_own_figures(facts):
    here, there = pair(), pair(small_ms=9.0, machine=RASPBERRY)
    found = facts(*here, cascade_profile(*here), *there, cascade_profile(*there))
    assert [fact.split(":")[0] for fact in found] == [MACHINE["machine"], RASPBERRY["machine"]]
    assert found[0].split("when it routes")[1] != found[1].split("when it routes")[1]


def test_members_are_those_that_the_profile_names():
    small, large = pair()
    twin = profile_record("tiny-again", "fp32", accuracy=0.82, p50_ms=2.0)
    made_of = cascade_profile(small, large).cascade
    cascade, *others = name_cells([cascade_profile(small, large), twin, large, small])
    assert member_row(made_of.small, cascade, others).label == "tiny fp32"
    assert member_row(made_of.large, cascade, others).label == "big int8"
    assert member_row(made_of.small, cascade, others[:2]) is None


def test_a_member_that_was_exported_again_is_another():
    small, large = pair()
    made_of = cascade_profile(small, large).cascade
    same, other = (small.model_copy(update={"form_sha256": sha}) for sha in (made_of.small.sha256, "8" * 64))
    cascade, *others = name_cells([cascade_profile(small, large), other, large])
    assert member_row(made_of.small, cascade, others) is None
    cascade, *others = name_cells([cascade_profile(small, large), same, large])
    assert member_row(made_of.small, cascade, others) is not None


def test_of_a_cascade_profiled_before_members_were_kept_nothing_is_said(facts):
    small, large = pair()
    assert facts(small, large, cascade_profile(small, large, cascade=None)) == []
