"""The fast part of ``benchmarks/operating_characteristics.py``: verdicts and gates keep their error rates."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from scipy.stats import binomtest

REPLAYS = 1000


@pytest.fixture(scope="module")
def simulations():
    path = Path(__file__).parents[2] / "benchmarks/operating_characteristics.py"
    spec = importlib.util.spec_from_file_location("operating_characteristics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def at_most(share, rate, replays=REPLAYS):
    return binomtest(round(share * replays), replays, rate, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(("n", "disagreement", "margin"), [(1000, 0.08, 0.02), (1000, 0.015, 0.01)])
def test_accuracy(simulations, n, disagreement, margin):
    same = simulations.accuracy_rates(n, disagreement, 0.0, margin, REPLAYS)
    lossy = simulations.accuracy_rates(n, disagreement, -margin, margin, REPLAYS)
    assert at_most(same["better"] + same["worse"], 0.06) and at_most(same["fail"], 0.05)
    assert at_most(lossy["equivalent"], 0.05) and at_most(lossy["pass"], 0.05)
    assert same["undecided"] < 0.6


def test_a_planted_tenth_of_time_does_not_pass_a_limit_of_a_twentieth(simulations):
    """Few replays: each has a bootstrap."""
    planted = simulations.time_rates(1.1, 0.03, 6, 40, paired=True)
    assert planted["pass"] <= 0.125
    assert planted["fail"] + planted["inconclusive"] >= 0.875
