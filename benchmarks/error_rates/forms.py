"""Forms of a model judged at export: what is accepted although it loses too much."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from error_rates import before
from error_rates.rates import Rate, Share, at_least, at_most
from slmbench.export.guard import LossLimits, judge
from slmbench.statistics.sequential import LOOKS, gate_at_look, level_of_look
from slmbench.statistics.verdicts import FORM_MARGIN, reviews_to_settle

#: Share of reviews on which exactly one of form and fp32 is right: a hard case, and that of int8 in the quickstart.
DISAGREEMENT, USUAL_DISAGREEMENT = 0.04, 0.015
#: Of answers in batches and alone, int8 in the quickstart; and its test reviews.
BATCH_DISAGREEMENT, PLANNED = 0.007, 1800
ACCURACY = 0.86
LIMITS = LossLimits(FORM_MARGIN)


def judged(truth: np.ndarray, fp32: np.ndarray, form: np.ndarray) -> tuple[bool, bool, bool]:
    """Return whether a form is accepted, whether it is undecided, and whether it was accepted before."""
    found = judge(truth, fp32, form, ["no", "yes"], LIMITS)
    lost = int(((fp32 == truth) & (form != truth)).sum())
    gained = int(((fp32 != truth) & (form == truth)).sum())
    return found.accepted, found.verdict == "undecided", before.guard_accepts(lost, gained, len(truth), FORM_MARGIN)


def losing_forms(n: int, loss: float, replays: int, seed: int, *, disagreement: float = DISAGREEMENT) -> np.ndarray:
    """Simulate forms that are right less often by ``loss``; returns :func:`judged` of each, shape (replays, 3)."""
    generator = np.random.default_rng(seed)
    lost, gained = (disagreement + loss) / 2, (disagreement - loss) / 2
    both = ACCURACY - lost
    results = []
    for _ in range(replays):
        truth = (generator.random(n) < 0.5).astype(int)
        kind = generator.choice(4, size=n, p=[both, lost, gained, 1 - both - lost - gained])
        fp32, form = (np.where(np.isin(kind, right), truth, 1 - truth) for right in ((0, 1), (0, 2)))
        results.append(judged(truth, fp32, form))
    return np.array(results)


def forms_losing_a_rare_label(n: int, replays: int, seed: int) -> np.ndarray:
    """Simulate forms that lose a third of what fp32 finds of a label that 3 % of reviews have; as above."""
    generator = np.random.default_rng(seed)
    results = []
    for _ in range(replays):
        truth = (generator.random(n) < 0.03).astype(int)
        fp32 = np.where(truth == 1, generator.random(n) < 0.8, generator.random(n) < 0.01).astype(int)
        form = np.where((truth == 1) & (generator.random(n) < 1 / 3), 0, fp32)
        results.append(judged(truth, fp32, form))
    return np.array(results)


def forms_in_batches(loss: float, disagreement: float, replays: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulate forms that lose accuracy in batches, looked at as the reviews come in.

    Returns:
        Whether each was called as accurate as alone, and the reviews that took; shape (replays,) each.
    """
    generator, gate = np.random.default_rng(seed), cache(gate_at_look)
    lost, gained = (disagreement + loss) / 2, (disagreement - loss) / 2
    passed, taken = [], []
    for _ in range(replays):
        kinds = generator.choice(3, size=PLANNED, p=[lost, gained, 1 - lost - gained])
        for look, share in enumerate(LOOKS):
            seen = kinds[: math.ceil(share * PLANNED)]
            counts = int((seen == 0).sum()), int((seen == 1).sum()), len(seen)
            result = gate(*counts, FORM_MARGIN, level_of_look(look))
            if result != "inconclusive":
                break
        passed.append(result == "pass")
        taken.append(len(seen))
    return np.array(passed), np.array(taken)


def form_rates(replays: int, seed: int) -> list[Rate]:
    """Return how often forms with a loss are accepted."""

    def accepted(what: str, found: np.ndarray) -> Rate:
        return Rate(f"{what}: accepted", Share.of(found[:, 0]), Share.of(found[:, 2]), at_most(0.05))

    planned = reviews_to_settle(USUAL_DISAGREEMENT, FORM_MARGIN)
    as_accurate = losing_forms(planned, 0.0, replays, seed + 1, disagreement=USUAL_DISAGREEMENT)
    return [
        *(
            accepted(f"a form {points} worse, {n:,} reviews", losing_forms(n, loss, replays, seed))
            for n, loss, points in (
                (50, 0.02, "2 points"),
                (200, 0.02, "2 points"),
                (1000, 0.02, "2 points"),
                (1000, 0.01, "1 point"),
            )
        ),
        accepted(
            "a form that lost a third of a label with 3 % of 1,000 reviews",
            forms_losing_a_rare_label(1000, replays, seed + 2),
        ),
        *(
            Rate(
                f"1 point worse in batches, {share:.1%} disagree, up to {PLANNED:,} reviews: called as accurate",
                Share.of(forms_in_batches(FORM_MARGIN, share, replays, seed + 3)[0]),
                None,
                at_most(0.05),
            )
            for share in (FORM_MARGIN, USUAL_DISAGREEMENT, DISAGREEMENT)
        ),
        Rate(
            f"as accurate in batches, {BATCH_DISAGREEMENT:.1%} disagree: settled before all {PLANNED:,} reviews",
            Share.of(forms_in_batches(0.0, BATCH_DISAGREEMENT, replays, seed + 4)[1] < PLANNED),
            None,
            at_least(0.5),
        ),
        Rate(
            f"as accurate, {USUAL_DISAGREEMENT:.1%} disagree, {planned:,} reviews, the planned size: undecided",
            Share.of(as_accurate[:, 1]),
            None,
            at_most(0.5),
        ),
    ]
