"""The choice among candidates, once for the measurements as they are and again for every replay of them.

Numbers in, numbers out: arrays whose first axis is the replay. What a difference needs to show is kept from the
measurements, as the distance from the estimate to the end of its interval; a replay moves the estimates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Margins(NamedTuple):
    """How far estimates lie from the ends of their 90 % intervals, and what counts as equal; k candidates.

    Attributes:
        below: From the quality of candidate j less that of i down to its lower end, shape (k, k) as [i, j].
        faster: From the log ratio of the times of j and i down to its lower end, shape (k, k) as [i, j].
        slower: The same up to its upper end.
        quality: Largest loss that counts as none.
        time: Largest logarithm of a ratio of times that counts as none.
    """

    below: np.ndarray
    faster: np.ndarray
    slower: np.ndarray
    quality: float
    time: float


class Chosen(NamedTuple):
    """What each replay chose, shape (replays,), and from what, shape (replays, k).

    Attributes:
        winner: The candidate to ship.
        reference: The one with the best quality.
        fastest: The fastest of ``as_good``.
        as_good: Whether each is shown to be as good as the reference, within the margin.
        as_fast: Whether each is as good, and shown to be as fast as the fastest.
    """

    winner: np.ndarray
    reference: np.ndarray
    fastest: np.ndarray
    as_good: np.ndarray
    as_fast: np.ndarray


def choose(quality: np.ndarray, log_time: np.ndarray, size: np.ndarray, margins: Margins) -> Chosen:
    """Choose: the best is the reference, of those as good the fastest, of those as fast the smallest.

    "As good" is non-inferiority and "as fast" equivalence, each with 5 % (Schuirmann 1987); what is undecided is
    neither, so a faster candidate is never lost to a slower one that may or may not be as fast.

    Args:
        quality: What decides, more is better, shape (replays, k); minus infinity takes a candidate out.
        log_time: Logarithm of the time a review, shape (replays, k).
        size: Bytes, shape (k,).
        margins: What differences have to show.
    """
    replay = np.arange(len(quality))
    # Among equals the faster one: lexsort's last key is the first that counts.
    reference = np.lexsort((log_time, -quality))[:, 0]
    gain = quality - quality[replay, reference][:, None]
    as_good = gain - margins.below[reference] > -margins.quality
    as_good[replay, reference] = True
    fastest = np.where(as_good, log_time, np.inf).argmin(1)
    excess = log_time - log_time[replay, fastest][:, None]
    inside = (excess + margins.slower[fastest] < margins.time) & (excess - margins.faster[fastest] > -margins.time)
    as_fast = as_good & inside
    as_fast[replay, fastest] = True
    smallest = np.lexsort((log_time, np.where(as_fast, size, np.inf)))[:, 0]
    return Chosen(smallest, reference, fastest, as_good, as_fast)
