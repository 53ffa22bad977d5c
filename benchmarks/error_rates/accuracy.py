"""Two classifiers on the same reviews: what the decision says of them, and what gates and the guard do."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from error_rates import before
from error_rates.rates import Rate, Share, at_most
from error_rates.rows import rows_of, steady_latency
from slmbench.compare.constraints import Constraints
from slmbench.compare.decision import decide
from slmbench.compare.pairs import difference
from slmbench.statistics.verdicts import MODEL_MARGIN, gate, reviews_to_settle

#: Share of reviews on which exactly one of two models is right that comparisons are planned for.
DISAGREEMENT = 0.08
ACCURACY = 0.86


class Said(NamedTuple):
    """What is said of a pair.

    Attributes:
        verdict: Of the row that is not the reference, compared with it.
        ships_second: Whether the second row, the faster one, is recommended.
        old_ships_second: Whether it was before: more accurate, or "equal".
        gate: Of the second with the first as baseline, ``--fail-if-worse`` at the margin.
        old: What was said before of the less accurate compared with the other.
        old_gate_fails: Whether the gate failed before.
    """

    verdict: str
    ships_second: bool
    old_ships_second: bool
    gate: str
    old: str
    old_gate_fails: bool


@lru_cache(None)
def said_of(lost: int, gained: int, n: int) -> Said:
    """Decide between two rows, the second faster, which differ on so many reviews."""
    right = np.zeros((2, n))
    right[0, :lost], right[1, lost : lost + gained] = 1, 1
    right[:, lost + gained : lost + gained + round((ACCURACY - DISAGREEMENT / 2) * n)] = 1
    rows = rows_of(right, [steady_latency(1), steady_latency(0)], [2, 1])
    choice = decide(rows, Constraints()).choice
    assert choice is not None
    (verdict,) = choice.verdicts.values()
    found = difference(*rows)
    worst, best = sorted((lost, gained))
    old = before.accuracy_verdict(best, worst, n, found.p_value)
    return Said(
        verdict,
        choice.winner is rows[1],
        gained > lost or old == "equivalent",
        gate(found.bounds, MODEL_MARGIN),
        old,
        before.fails_if_worse(lost, gained, n, MODEL_MARGIN),
    )


def pairs(n: int, disagreement: float, loss: float, replays: int, seed: int) -> list[Said]:
    """Simulate pairs of classifiers of which the second is right less often by ``loss``."""
    shares = [(disagreement + loss) / 2, (disagreement - loss) / 2, 1 - disagreement]
    drawn = np.random.default_rng(seed).multinomial(n, shares, size=replays)
    return [said_of(int(lost), int(gained), n) for lost, gained, _ in drawn]


def share(found: list[Said], event: Callable[[Said], bool]) -> Share:
    """Return how often an event occurs."""
    return Share.of(map(event, found))


def accuracy_rates(replays: int, seed: int) -> list[Rate]:
    """Return the rates of decisions about two classifiers."""
    planned = reviews_to_settle(DISAGREEMENT, MODEL_MARGIN)
    rates = []
    for n in (200, 1000, planned):
        found = pairs(n, DISAGREEMENT, 0.0, replays, seed)
        setting = f"{n:,} reviews"
        if n == planned:
            setting += ", the planned size"
        rates += [
            Rate(
                f"equal models, {setting}: called different",
                share(found, lambda said: said.verdict in ("better", "worse")),
                share(found, lambda said: said.old != "equivalent"),
                at_most(0.05),
            ),
            Rate(
                f"equal models, {setting}: undecided",
                share(found, lambda said: said.verdict == "undecided"),
                None,
                at_most(0.5) if n == planned else None,
            ),
            Rate(
                f"equal models, {setting}: `--fail-if-worse 2` fails",
                share(found, lambda said: said.gate == "fail"),
                share(found, lambda said: said.old_gate_fails),
                at_most(0.05),
            ),
        ]
    for n in (200, 1000, planned):
        found = pairs(n, DISAGREEMENT, MODEL_MARGIN, replays, seed + 1)
        rates += [
            Rate(
                f"2 points worse, {n:,} reviews: called equivalent",
                share(found, lambda said: said.verdict == "equivalent"),
                share(found, lambda said: said.old == "equivalent"),
                at_most(0.05),
            ),
            Rate(
                f"2 points worse, {n:,} reviews: `--fail-if-worse 2` passes",
                share(found, lambda said: said.gate == "pass"),
                share(found, lambda said: not said.old_gate_fails),
                at_most(0.05),
            ),
            Rate(
                f"2 points worse, {n:,} reviews: shipped, being faster",
                share(found, lambda said: said.ships_second),
                share(found, lambda said: said.old_ships_second),
            ),
        ]
    return rates
