"""Gates that are looked at several times while reviews come in, and still err in at most 5 %.

Looking again and again at a test of 5 % and stopping when it passes errs more often than 5 %. In a group-sequential
design each look spends a part of the 5 % (Lan & DeMets, *Biometrika* 70, 1983): with their spending function of
Pocock's type, α·ln(1 + (e − 1)·t), where t is the share of the planned reviews seen. A look is made at the level that
it spends, so that the sum over all looks bounds the error, whatever the dependence between them (Bonferroni's
inequality); that is a little stricter than levels that use the correlation of the looks (Jennison & Turnbull, *Group
Sequential Methods*, 2000, ch. 7).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from slmbench.statistics.verdicts import LEVEL, GateResult, paired_proportions_interval

#: Shares of the planned reviews at which a gate is looked at.
LOOKS = (1 / 3, 2 / 3, 1.0)


def spent(share: float) -> float:
    """Return how much of the 5 % is spent once a share of the planned reviews has been seen."""
    return LEVEL * math.log(1 + (math.e - 1) * min(1.0, share))


def level_of_look(look: int, looks: Sequence[float] = LOOKS) -> float:
    """Return the one-sided level at which a look is made.

    Args:
        look: Its number, from 0.
        looks: Shares of the planned reviews, ascending, the last one 1.
    """
    return spent(looks[look]) - (spent(looks[look - 1]) if look else 0.0)


def gate_at_look(only_first: int, only_second: int, n: int, limit: float, level: float) -> GateResult:
    """Return whether the second of two paired proportions loses less than a limit, at a level.

    Args:
        only_first: Reviews so far that only the first gets right.
        only_second: Reviews so far that only the second gets right.
        n: Reviews so far.
        limit: Largest loss allowed.
        level: One-sided, from :func:`level_of_look`.

    Returns:
        ``pass`` or ``fail``, at which the looking may stop; ``inconclusive`` to go on.
    """
    low, high = paired_proportions_interval(only_first, only_second, n, level)
    return "pass" if low > -limit else "fail" if high < -limit else "inconclusive"
