"""Intervals of times that several processes took for the same reviews: of these reviews, and of such reviews.

A time varies for three reasons: the review is longer or shorter, the process is faster or slower, and noise. The
interval *of these reviews* (:func:`timing_interval`) is about processes and noise only, so two rows that timed the
same reviews are compared by it. The interval *of such reviews* (:func:`crossed_percentile_interval`) is about reviews
too: it is what is known of the percentile of all reviews of this kind. Repeats of a review make neither of them
narrower than processes and reviews allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from slmbench.statistics.clusters import t_interval, why_no_interval
from slmbench.statistics.intervals import Interval, quantile_interval

#: Numbers in memory at once while resampling (16 MB), and in all: with very many samples there are fewer resamples.
_CHUNK, _NUMBERS = 2_000_000, 10_000_000


def relative_noise(processes: Sequence[Sequence[float]], items: int) -> np.ndarray | None:
    """Return how far each sample is from what its process and its review lead one to expect, as logarithms.

    The logarithm of a sample, minus the mean of its review, minus the median of its process. The mean of k samples
    follows them; what that takes from their spread is given back by √(k / (k - 1)). Not the median of the review,
    because of an odd number of samples one is exactly at it and shows nothing of the noise.

    Args:
        processes: Positive samples of each process; sample ``i`` is of review ``i % items``.
        items: Number of different reviews.

    Returns:
        One value per sample of a review that has at least two, shape (n,); ``None`` where no review has two.
    """
    logs = np.concatenate([np.log(np.asarray(process, dtype=float)) for process in processes])
    rows = np.concatenate([np.arange(len(process)) % items for process in processes])
    owner = np.repeat(np.arange(len(processes)), [len(process) for process in processes])
    counts = np.bincount(rows, minlength=items)
    repeated = counts[rows] > 1
    if not repeated.any():
        return None
    logs, rows, owner = logs[repeated], rows[repeated], owner[repeated]
    k = counts[rows]
    # Processes before reviews, because a slow one may have only some of the reviews; and once more after them.
    left = logs - _medians(logs, owner)
    left -= np.bincount(rows, left, minlength=items)[rows] / k
    left -= _medians(left, owner)
    return left * np.sqrt(k / (k - 1))


def noise_interval(processes: Sequence[Sequence[float]], items: int, confidence: float = 0.95) -> Interval | None:
    """Return how exactly noise lets the speed be known: an interval around 1, as factors of the median.

    The distribution-free interval of the median of :func:`relative_noise`. How long the reviews are plays no part, so
    a machine without noise has an interval of no width after two passes over reviews of any lengths.

    Args:
        processes: As :func:`relative_noise` takes them.
        items: Number of different reviews.
        confidence: Coverage wanted.

    Returns:
        Lower and upper factor; ``None`` where no review was timed twice, or there are fewer than six samples.
    """
    noise = relative_noise(processes, items)
    found = None if noise is None else quantile_interval(noise.tolist(), 50, confidence)
    return None if found is None else (math.exp(min(0.0, found[0])), math.exp(max(0.0, found[1])))


def timing_interval(processes: Sequence[Sequence[float]], items: int, confidence: float = 0.95) -> Interval | None:
    """Return the interval of the median over these reviews, for other processes and other noise.

    At each end the wider of two: Student's t over the logarithms of the processes' medians, of the samples that all
    of them have, and :func:`noise_interval` around the median, because few processes may agree by chance.

    Args:
        processes: As :func:`relative_noise` takes them.
        items: Number of different reviews.
        confidence: Coverage wanted.

    Returns:
        Lower and upper end, or ``None`` (see :func:`slmbench.statistics.clusters.why_no_interval`).
    """
    if why_no_interval(processes):
        return None
    middle = float(np.median(np.concatenate([np.asarray(process) for process in processes])))
    fewest = min(map(len, processes))
    low, high = np.exp(t_interval([math.log(np.median(one[:fewest])) for one in processes], confidence))
    around = noise_interval(processes, items, confidence) or (1.0, 1.0)
    return min(float(low), middle * around[0]), max(float(high), middle * around[1])


def crossed_percentile_interval(
    processes: Sequence[Sequence[float]],
    items: int,
    q: float,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Return the interval of a percentile of such reviews, for other reviews and other processes.

    At each end the wider of two. The crossed bootstrap draws reviews and processes with replacement, each review with
    all its samples (Owen, "The pigeonhole bootstrap", *Annals of Applied Statistics* 1, 2007). It covers too seldom
    with few processes; the other interval allows for them: order statistics over the reviews' own times and Student's
    t over the processes' percentiles, whose distances from the estimate add up as squares (Zou & Donner, *Statistics
    in Medicine* 27, 2008), on logarithms.

    Args:
        processes: As :func:`relative_noise` takes them.
        items: Number of different reviews.
        q: The percentile, between 0 and 100.
        confidence: Coverage wanted.
        resamples: Maximum number of bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        Lower and upper end; ``None`` when there are too few processes, or too few different reviews for that
        confidence.
    """
    if why_no_interval(processes):
        return None
    logs = [np.log(np.asarray(process, dtype=float)) for process in processes]
    rows = [np.arange(len(process)) % items for process in processes]
    over_reviews = quantile_interval(_typical(logs, rows).tolist(), q, confidence)
    if over_reviews is None:
        return None
    estimate = float(np.percentile(np.concatenate(logs), q))
    centre = float(np.percentile(_typical(logs, rows), q))
    fewest = min(map(len, processes))
    own = t_interval([float(np.percentile(one[:fewest], q)) for one in logs], confidence)
    half = (own[1] - own[0]) / 2
    low, high = math.hypot(centre - over_reviews[0], half), math.hypot(over_reviews[1] - centre, half)
    replays = _crossed_replays(logs, rows, q, resamples, seed)
    tail = (1 - confidence) / 2 * 100
    drawn_low, drawn_high = np.percentile(replays, [tail, 100 - tail])
    return math.exp(min(estimate - low, drawn_low)), math.exp(max(estimate + high, drawn_high))


def _typical(logs: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of the logarithms of each review's samples, shape (reviews timed,)."""
    everything, of_review = np.concatenate(logs), np.concatenate(rows)
    counts = np.bincount(of_review)
    return np.bincount(of_review, everything)[counts > 0] / counts[counts > 0]


def _crossed_replays(
    logs: Sequence[np.ndarray], rows: Sequence[np.ndarray], q: float, resamples: int, seed: int
) -> np.ndarray:
    """Return the percentile of each bootstrap sample; samples are weighted rather than copied.

    A sample's weight is how often its review is drawn times how often its process is. The percentile lies where the
    weights of the sorted samples add up to its rank: first whole blocks of samples are added up, by a matrix product,
    then the samples of the one block in which the rank lies.
    """
    values, of_review = np.concatenate(logs), np.concatenate(rows)
    owner = np.repeat(np.arange(len(logs)), [len(one) for one in logs])
    order = np.argsort(values)
    values, of_review, owner = values[order], of_review[order], owner[order]
    timed = np.unique(of_review)
    resamples = min(resamples, max(200, _NUMBERS // len(values)))
    blocks = _Blocks(values, np.searchsorted(timed, of_review), owner, len(timed), len(logs))
    found = []
    for reviews, owners in _crossed_draws(len(timed), len(logs), resamples, max(1, _CHUNK // len(values)), seed):
        until = np.cumsum(blocks.weights(reviews, owners), axis=1)
        last = until[:, -1] - 1
        at = np.maximum(last, 0) * q / 100
        below = np.floor(at)
        first, second = (
            blocks.values_at(np.minimum(rank, last), until, reviews, owners) for rank in (below, below + 1)
        )
        found.append(first + (at - below) * (second - first))
    return np.concatenate(found)


class _Blocks:
    """Sorted samples in blocks of about the square root of their number."""

    def __init__(self, values: np.ndarray, review: np.ndarray, owner: np.ndarray, reviews: int, owners: int) -> None:
        self._values, self._owners = values, owners
        self._width = math.ceil(math.sqrt(len(values)))
        self._count = math.ceil(len(values) / self._width)
        block = np.arange(len(values)) // self._width
        index = (review * self._count + block) * owners + owner
        size = self._count * owners
        self._members = np.bincount(index, minlength=reviews * size).reshape(reviews, size).astype(np.float32)
        # The last block is filled up with samples behind the end, which no rank reaches.
        behind = (0, self._count * self._width - len(values))
        self._review, self._owner = (np.pad(one, behind).reshape(-1, self._width) for one in (review, owner))

    def weights(self, reviews: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """Return the weight of each block in each resample; whole numbers, exact in fp32."""
        by_owner = (reviews @ self._members).reshape(len(reviews), self._count, self._owners)
        return np.einsum("rbo,ro->rb", by_owner.astype(float), owners)

    def values_at(self, rank: np.ndarray, until: np.ndarray, reviews: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """Return the sample at a rank, counted from 0, of each resample.

        Args:
            rank: Shape (resamples,).
            until: Weight of the blocks up to and with each, shape (resamples, blocks).
            reviews: How often each review is drawn, shape (resamples, reviews).
            owners: How often each process is drawn, shape (resamples, processes).
        """
        each = np.arange(len(rank))
        block = (until > rank[:, None]).argmax(1)
        before = np.where(block > 0, until[each, block - 1], 0)
        of_samples = reviews[each[:, None], self._review[block]] * owners[each[:, None], self._owner[block]]
        place = (np.cumsum(of_samples, axis=1) + before[:, None] > rank[:, None]).argmax(1)
        return self._values[block * self._width + place]


def _crossed_draws(
    reviews: int, processes: int, resamples: int, step: int, seed: int
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Return how often each review and each process is drawn, in parts of up to ``step`` resamples."""
    if resamples * reviews <= _CHUNK:  # the profiles of a comparison have the same numbers, and so the same draws
        return _crossed_draws_kept(reviews, processes, resamples, step, seed)
    return _make_crossed_draws(reviews, processes, resamples, step, seed)


def _make_crossed_draws(
    reviews: int, processes: int, resamples: int, step: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(seed)
    for begin in range(0, resamples, step):
        size = min(step, resamples - begin)
        of_reviews, of_processes = (_multiplicities(generator, size, count) for count in (reviews, processes))
        yield of_reviews.astype(np.float32), of_processes.astype(np.float32)


@lru_cache(maxsize=4)
def _crossed_draws_kept(*numbers: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(_make_crossed_draws(*numbers))


def _multiplicities(generator: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Return how often each of ``count`` things is drawn in ``size`` bootstrap samples, shape (size, count)."""
    return generator.multinomial(count, np.full(count, 1 / count), size=size)


def _medians(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return for each value the median of its group, shape (n,)."""
    order = np.lexsort((values, group))
    counts = np.bincount(group)
    ends = np.cumsum(counts)
    begins, ordered = ends - counts, values[order]
    known = counts > 0
    medians = np.zeros(len(counts))
    lower, upper = begins + (counts - 1) // 2, begins + counts // 2
    medians[known] = (ordered[lower[known]] + ordered[upper[known]]) / 2
    return medians[group]
