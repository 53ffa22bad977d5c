"""The fast part of ``benchmarks/operating_characteristics.py``: whole decisions keep their error rates.

Few replays: a rate fails where it is not compatible with its goal (one-sided exact test at 0.1 %).
"""

from __future__ import annotations

import json
import math
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from slmbench.statistics.verdicts import MODEL_MARGIN, reviews_to_settle

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def parts():
    names = ("accuracy", "forms", "selection", "sessions", "times", "rates")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield {name: import_module(f"error_rates.{name}") for name in names}
    for name in [name for name in sys.modules if name.split(".")[0] in ("error_rates", "recorded_sessions")]:
        del sys.modules[name]


def compatible(events, at_most=None, at_least=None):
    events = list(events)
    limit, side = (at_most, "greater") if at_most is not None else (at_least, "less")
    return binomtest(int(sum(events)), len(events), limit, alternative=side).pvalue > 0.001


@pytest.mark.parametrize("n", [200, 1000])
def test_two_models(parts, n):
    pairs = parts["accuracy"].pairs
    same = pairs(n, 0.08, 0.0, 400, 1)
    assert compatible([said.verdict in ("better", "worse") for said in same], at_most=0.05)
    assert compatible([said.gate == "fail" for said in same], at_most=0.05)
    worse = pairs(n, 0.08, MODEL_MARGIN, 400, 1)
    assert compatible([said.verdict == "equivalent" for said in worse], at_most=0.05)
    assert compatible([said.gate == "pass" for said in worse], at_most=0.05)
    # The rule of before is what the columns of the table say it was.
    assert sum(said.old == "equivalent" for said in worse) / 400 > 0.1


def test_the_planned_size_decides(parts):
    same = parts["accuracy"].pairs(reviews_to_settle(0.08, MODEL_MARGIN), 0.08, 0.0, 300, 1)
    assert compatible([said.verdict == "undecided" for said in same], at_most=0.3)


def test_forms_that_lose_too_much(parts):
    for n in (50, 200):
        found = parts["forms"].losing_forms(n, 0.02, 300, 1)
        assert compatible(found[:, 0], at_most=0.05)
    found = parts["forms"].forms_losing_a_rare_label(1000, 100, 1)
    assert compatible(found[:, 0], at_most=0.05)
    assert found[:, 2].mean() > 0.5


def test_the_winner_of_nine_equal_models(parts):
    generator = np.random.default_rng(1)
    found = [parts["selection"].replay(200, 0.0, generator) for _ in range(150)]
    assert compatible([one.corrected for one in found], at_least=0.94)
    assert compatible([one.confirmed for one in found], at_least=0.94)
    assert compatible([one.worse for one in found], at_most=0.05)
    assert not compatible([one.old_covered for one in found], at_least=0.94)


def test_a_planted_tenth_of_time_does_not_pass(parts):
    found, _ = parts["times"].alternately(0.03, 1.1, 40, 1)
    assert not any(parts["times"].gate(bounds, math.log1p(0.05)) == "pass" for bounds in found)


@pytest.mark.parametrize("stored", [0, 12])
def test_sessions_apart(parts, stored):
    outcomes = parts["sessions"].simulated(0.12, 0.08, stored, 150, 1)
    found = dict(zip(parts["sessions"].Outcome._fields, outcomes.T, strict=True))
    assert compatible(found["different"], at_most=0.05)
    assert compatible(found["fails"], at_most=0.05)
    assert compatible(found["planted_passes"], at_most=0.05)
    assert compatible(found["expected"], at_least=0.9)
    assert found["old_different"].mean() > 0.3


def test_recorded_sessions(parts):
    """Few sessions, of cells that did not change and slowed by a tenth: generous, and before it was far outside."""
    goals = [rate for rate in parts["sessions"].recorded_rates(50, 1) if rate.goal is not None]
    assert goals
    for rate in goals:
        assert rate.after.value <= 0.15 if rate.goal.is_upper else rate.after.value >= 0.8, rate.what


def test_bounds_of_rates(parts):
    rates = parts["rates"]
    share = rates.Share.of([True] * 5 + [False] * 95)
    assert (share.value, share.replays) == (0.05, 100)
    assert binomtest(5, 100, share.high).pvalue < 0.11 and share.low < 0.05 < share.high
    never = rates.Share.of_groups(0.0, np.zeros(10), 33)
    assert never.low == 0 and never.high == pytest.approx(1 - 0.05 ** (1 / 33))
    assert rates.at_most(0.05).met(share) == "met, not its bound"
    assert rates.at_most(0.2).met(share) == "met"
    assert rates.at_least(0.06).met(share) == "missed"


def test_sessions_recorded_in_turns_have_rates_of_ratios_and_of_later_ones(parts, tmp_path):
    generator, cells = np.random.default_rng(3), {"tiny fp32": 2.0, "tiny int8": 3.0}
    for hour in range(8):
        slower = np.exp(generator.normal(0, 0.2))
        turns = [np.exp(generator.normal(0, 0.02)) for _ in range(3)]
        session = {
            "recorded": f"2026-01-01T{hour:02}:00:00+00:00",
            "machine": {"fingerprint": "0123456789", "cpu_model": "a processor"},
            "sentinel_ms": [{kind: ms * slower * turn for kind, ms in (("gemm", 3), ("copy", 4))} for turn in turns],
            "cells": {
                name: {
                    "form_sha256": name,
                    "reviews": "same",
                    "processes_ms": [[ms * slower * turn] * 9 for turn in turns],
                }
                for name, ms in cells.items()
            },
        }
        (tmp_path / f"{hour}.json").write_text(json.dumps(session))
    rates = {rate.what.partition(": ")[2]: rate for rate in parts["sessions"].recorded_rates(50, 1, [tmp_path])}
    assert len([what for what in rates if "is called different" in what]) == 2
    names = [rate.what for rate in parts["sessions"].recorded_rates(50, 1, [tmp_path])]
    assert sum("3 or more stored" in name for name in names) == 6 and all(
        "8 sessions, 2 cells" in name for name in names
    )
    # Both cells are slowed alike: their ratio never changes, their times do.
    assert rates["the ratio of two cells is called different"].before.value == 0
    assert (
        rates["the same is called different"].before.value > 0.2 > rates["the same is called different"].after.value
    )
