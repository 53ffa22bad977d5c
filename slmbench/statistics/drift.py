"""How far the distribution of something has moved: the population stability index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

#: Usual limits of the index: below the first little has changed, from the second on much. N. Siddiqi, Credit Risk
#: Scorecards, Wiley 2006.
MODERATE, LARGE = 0.1, 0.25
#: Added to every count, so that an empty part does not make the index infinite.
_SMOOTHING = 0.5

ShiftSize = Literal["none", "small", "moderate", "large"]


class Shift(BaseModel):
    """A population stability index.

    Attributes:
        psi: The index; 0 where the shares are the same.
        by_chance: What it stays below in 95 % of cases where nothing has moved, for these numbers of observations.
        size: ``none`` where it may be chance; else how large it is by the usual limits.
    """

    model_config = ConfigDict(frozen=True)

    psi: float
    by_chance: float
    size: ShiftSize


def population_stability(reference: Sequence[float], counts: Sequence[float]) -> Shift | None:
    """Compare the shares of two samples over the same parts.

    The index is the sum over the parts of ``(share - reference) * ln(share / reference)``, which is Jeffreys'
    divergence (S. Kullback and R. A. Leibler, On Information and Sufficiency, Annals of Mathematical Statistics 22,
    1951). Where both samples come from one distribution, it is distributed as chi-square with one degree of freedom
    less than there are parts, times the sum of the inverse sample sizes (B. Yurdakul and J. Naranjo, Statistical
    Properties of the Population Stability Index, Journal of Risk Model Validation 14, 2020).

    Args:
        reference: Observations in each part.
        counts: Of the other sample. Parts that are empty in both are left out.

    Returns:
        The index; ``None`` where a sample is empty or there are fewer than two parts.
    """
    from scipy.stats import chi2

    both = np.array([reference, counts], dtype=float)
    both = both[:, both.sum(0) > 0]
    sizes = both.sum(1)
    if both.shape[1] < 2 or not sizes.all():
        return None
    smooth = both + _SMOOTHING
    before, after = smooth / smooth.sum(1, keepdims=True)
    psi = float(((after - before) * np.log(after / before)).sum())
    by_chance = float(chi2.ppf(0.95, both.shape[1] - 1) * (1 / sizes).sum())
    return Shift(psi=psi, by_chance=by_chance, size=_size(psi, by_chance))


def _size(psi: float, by_chance: float) -> ShiftSize:
    if psi <= by_chance:
        return "none"
    if psi < MODERATE:
        return "small"
    return "moderate" if psi < LARGE else "large"
