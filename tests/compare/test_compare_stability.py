"""Replays of a decision: what is certain is chosen always, what is a coin's toss is not."""

from __future__ import annotations

import time

import numpy as np
import pytest
from factories import ladder, predictions, profile_record

from slmbench.compare import Constraints, compare
from slmbench.compare.cells import Cell
from slmbench.compare.choosing import Margins, choose
from slmbench.compare.decision import decide
from slmbench.compare.stability import REPLAYS, largest_advantage, stability_of
from slmbench.records import write_record


def replayed(*profiles):
    return stability_of(decide([Cell(profile) for profile in profiles], Constraints()))


def test_what_is_certain_is_chosen_in_every_replay():
    sure = replayed(
        profile_record("good", predictions=predictions(0.9)), profile_record("bad", predictions=predictions(0.7))
    )
    assert sure.replays == REPLAYS >= 500
    assert sure.chosen == {"good fp32": 1.0}
    assert sure.regret_points == 0 and sure.pareto["good fp32"] == 1


def test_two_equals_that_disagree_share_the_replays_and_the_regret_says_how_much_it_may_cost():
    toss = replayed(
        profile_record("a", predictions=predictions(0.86, who="a", noise=0.6), p50_ms=30),
        profile_record("b", predictions=predictions(0.862, who="b", noise=0.6), p50_ms=29),
    )
    assert sum(toss.chosen.values()) == pytest.approx(1)
    assert min(toss.chosen.get("a fp32", 0), toss.chosen.get("b fp32", 0)) > 0.1
    assert 0.5 < toss.regret_points < 5


def test_one_candidate_has_no_replays_and_a_record_has_them(tmp_path):
    assert replayed(profile_record()) is None
    for number, profile in enumerate(ladder()):
        write_record(profile, tmp_path / f"{number}.json")
    decision = compare([tmp_path]).decisions[0]
    first, share = next(iter(decision.stability.chosen.items()))
    assert f"{first} is chosen in {share * 100:.0f} % of {REPLAYS:,} replays" in decision.sentence
    assert set(decision.stability.pareto) == {row.label for row in compare([tmp_path]).rows}


def test_nine_rows_on_a_thousand_reviews_take_under_three_seconds_of_this_process():
    cells = [
        Cell(profile_record(f"m{number}", predictions=predictions(0.86, who=str(number), noise=0.6)))
        for number in range(9)
    ]
    decision = decide(cells, Constraints())
    began = time.process_time()
    stability_of(decision)
    assert time.process_time() - began < 3


def test_the_largest_advantage_covers_the_true_one():
    """Nine equal candidates: the winner is the luckiest, so nothing is better by more than 0 in truth."""
    generator, covered = np.random.default_rng(0), 0
    for _ in range(200):
        truth = np.append(generator.normal(0, 1, 8), 0)
        values = truth + generator.normal(0, 1, 9)
        winner = int(generator.integers(9))
        bound = largest_advantage(values, values + generator.normal(0, 1, (500, 9)), winner)
        covered += truth.max() - truth[winner] <= bound
    assert covered / 200 >= 0.91  # 95 %, less about two and a half standard errors


def test_the_choice_is_the_same_one_at_a_time():
    """What the arrays say of many replays is what they say of each alone."""
    generator = np.random.default_rng(3)
    margins = Margins(*(generator.uniform(0, 0.02, (5, 5)) for _ in range(3)), 0.02, 0.095)
    quality, times = generator.normal(0.86, 0.01, (50, 5)), generator.normal(0, 0.1, (50, 5))
    size = generator.uniform(1, 9, 5)
    together = choose(quality, times, size, margins)
    for number in range(50):
        alone = choose(quality[number : number + 1], times[number : number + 1], size, margins)
        assert [alone.winner[0], alone.reference[0], alone.fastest[0]] == [
            together.winner[number],
            together.reference[number],
            together.fastest[number],
        ]
        best = quality[number].argmax()
        good = [
            j
            for j in range(5)
            if j == best or quality[number, j] - quality[number, best] - margins.below[best, j] > -0.02
        ]
        assert together.fastest[number] == min(good, key=lambda j: times[number, j])
