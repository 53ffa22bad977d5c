"""Gates that are looked at several times: what the looks spend, and when they may stop."""

import numpy as np
import pytest

from slmbench.statistics.sequential import LOOKS, gate_at_look, level_of_look, spent
from slmbench.statistics.verdicts import LEVEL, gate, paired_proportions_bounds


def test_the_looks_spend_the_level_and_no_more():
    levels = [level_of_look(look) for look in range(len(LOOKS))]
    assert sum(levels) == pytest.approx(LEVEL) == spent(1.0)
    assert all(level > 0 for level in levels)
    # Lan and DeMets' function of Pocock's type at a half: 0.05 ln(1 + (e - 1)/2).
    assert spent(0.5) == pytest.approx(0.0310057, rel=1e-5)
    assert level_of_look(0, (1.0,)) == pytest.approx(LEVEL)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (3, 3), (12, 2), (40, 2)])
def test_a_single_look_is_the_gate_without_looks(lost, gained):
    bounds = paired_proportions_bounds(lost, gained, 900)
    assert gate_at_look(lost, gained, 900, 0.01, LEVEL) == gate(bounds, 0.01)


def test_where_nothing_disagrees_a_third_of_the_planned_reviews_will_do():
    assert gate_at_look(0, 0, 600, 0.01, level_of_look(0)) == "pass"
    assert gate_at_look(0, 0, 100, 0.01, level_of_look(0)) == "inconclusive"
    assert gate_at_look(60, 0, 600, 0.01, level_of_look(0)) == "fail"


@pytest.mark.parametrize("disagreement", [0.01, 0.04])
def test_a_loss_at_the_limit_passes_in_at_most_5_percent_over_all_looks(disagreement):
    planned, limit = 1800, 0.01
    lost, gained = (disagreement + limit) / 2, (disagreement - limit) / 2
    kinds = np.random.default_rng(1).choice(3, size=(400, planned), p=[lost, gained, 1 - lost - gained])
    passed = 0
    for one in kinds:
        for look, share in enumerate(LOOKS):
            seen = one[: round(share * planned)]
            counts = int((seen == 0).sum()), int((seen == 1).sum()), len(seen)
            result = gate_at_look(*counts, limit, level_of_look(look))
            if result != "inconclusive":
                passed += result == "pass"
                break
    assert passed <= 400 * LEVEL
