"""Study 003's arithmetic: how many reviews its hybrids routed, from what it published."""

import runpy
from pathlib import Path

import pytest

from slmbench.cascade import study_003 as study
from slmbench.cascade.arithmetic import break_even, cascade_time, routed_reviews


def test_time_and_routed_reviews_are_each_other_s_inverse():
    total = cascade_time(2.0, 50.0, 0.12)
    assert total == 8.0
    assert routed_reviews(total, 2.0, 50.0, 1000) == pytest.approx(120)


def test_at_break_even_a_cascade_is_as_slow_as_the_large_model_alone():
    assert break_even(2.0, 50.0) == 0.96
    assert cascade_time(2.0, 50.0, break_even(2.0, 50.0)) == pytest.approx(50.0)
    assert break_even(50.0, 50.0) == 0
    assert break_even(100.0, 50.0) < 0


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
    script = Path(__file__).parents[2] / "benchmarks" / "study_003.py"
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert "83.6 reviews routed (8.9 %)" in said
    assert "83.5 with Flan-UL2 at 401.77 s" in said
    assert "111.2 with Flan-UL2 at 301.77 s" in said
    assert "123.5 reviews routed, 83.6 on the GPU" in said
