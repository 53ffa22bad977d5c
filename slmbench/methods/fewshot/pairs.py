"""Pairs of examples for contrastive training: drawn, never all listed, so that memory grows with what is drawn."""

from __future__ import annotations

import random
from math import comb, isqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Pairs of each kind (like, unlike) an example, where no bound is given: the R of Tunstall et al. 2022, counted an
#: example as setfit's ``num_iterations`` is.
ITERATIONS = 20

#: Two examples by index, and whether their labels are alike.
Pair = tuple[int, int, bool]


def draw_pairs(labels: Sequence[int], most: int | None, seed: int) -> list[Pair]:
    """Draw as many pairs of like as of unlike examples, in turns.

    No more are drawn than the commoner kind has different pairs: then each of those is there once, and pairs of the
    rarer kind are repeated as often as it takes (setfit's ``oversampling``). Two examples are never the same one,
    unless each label has a single example: then that is paired with itself.

    Args:
        labels: Label of each example; every label as often as every other.
        most: Upper bound on the pairs, at least 2; ``None`` is 2 x :data:`ITERATIONS` an example.
        seed: Another seed draws other pairs.

    Returns:
        The pairs, an even number.
    """
    by_label: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        by_label.setdefault(label, []).append(index)
    groups = list(by_label.values())
    shots = len(groups[0])
    like = len(groups) * max(comb(shots, 2), 1)
    unlike = comb(len(groups), 2) * shots**2
    wanted = min((2 * ITERATIONS * len(labels) if most is None else most) // 2, max(like, unlike))
    generator = random.Random(seed)

    def like_pair(number: int) -> Pair:
        group, within = divmod(number, max(comb(shots, 2), 1))
        first, second = _two_of(within) if shots > 1 else (0, 0)
        return groups[group][first], groups[group][second], True

    def unlike_pair(number: int) -> Pair:
        which, within = divmod(number, shots**2)
        one, other = _two_of(which)
        first, second = divmod(within, shots)
        return groups[one][first], groups[other][second], False

    likes = map(like_pair, _draw(like, wanted, generator))
    unlikes = map(unlike_pair, _draw(unlike, wanted, generator))
    return [pair for both in zip(likes, unlikes, strict=True) for pair in both]


def _draw(there: int, wanted: int, generator: random.Random) -> list[int]:
    """Draw numbers below ``there``: all different where they suffice, else each before any comes again."""
    drawn: list[int] = []
    while len(drawn) < wanted:
        drawn += generator.sample(range(there), min(there, wanted - len(drawn)))
    return drawn


def _two_of(number: int) -> tuple[int, int]:
    """Return the two members that a pair's number stands for: (0, 1), (0, 2), (1, 2), (0, 3) and so on."""
    larger = (1 + isqrt(1 + 8 * number)) // 2
    return number - comb(larger, 2), larger
