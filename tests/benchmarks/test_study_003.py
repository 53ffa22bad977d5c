"""Study 003's arithmetic: how many reviews its hybrids routed, from what it published."""

import pytest
import study_003 as study

from slmbench.cascade.thresholds import cascade_time


def test_time_and_routed_reviews_are_each_other_s_inverse():
    total = cascade_time(2.0, 50.0, 0.12)
    assert total == 8.0
    assert study.routed_reviews(total, 2.0, 50.0, 1000) == pytest.approx(120)


def test_the_reviews_that_the_sweep_routed():
    assert [row.threshold for row in study.SWEEP] == [0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95]
    assert [round(study.routed_by_t5(row.t5_s)) for row in study.SWEEP] == [13, 25, 35, 51, 70, 85, 115, 157]


def test_both_hybrids_route_the_same_reviews_only_with_the_logged_time_of_ul2():
    t5 = study.routed_by_t5(study.HYBRID_T5_S)
    assert (round(t5, 1), round(t5 / study.HYBRID_REVIEWS, 3)) == (83.6, 0.089)
    assert round(study.routed_by_ul2(study.HYBRID_UL2_S), 1) == 83.5
    assert round(study.routed_by_ul2(study.HYBRID_UL2_S, study.UL2_PRINTED_S)) == 111
    for row in study.SWEEP:
        routed = study.routed_by_t5(row.t5_s)
        assert study.routed_by_ul2(row.ul2_s) == pytest.approx(routed, rel=0.05)
        assert study.routed_by_ul2(row.ul2_s, study.UL2_PRINTED_S) > 1.25 * routed


def test_the_script_prints_the_recomputation(capsys):
    study.main()
    said = capsys.readouterr().out
    assert "83.6 reviews routed (8.9 %)" in said
    assert "83.5 with Flan-UL2 at 401.77 s" in said
    assert "111.2 with Flan-UL2 at 301.77 s" in said
    assert "123.5 reviews routed, 83.6 on the GPU" in said
