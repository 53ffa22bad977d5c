"""How long small, large and cascade take on this machine, in turns, so that other load slows all three alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from slmbench.cascade.members import Member
from slmbench.common.errors import UsageError
from slmbench.common.progress import Progress
from slmbench.edge.runtime import Backend
from slmbench.records import ProfileRecord, read_record
from slmbench.records.cascade import CascadeTiming, ProfiledTimes

#: Reviews timed, the first of the test rows as in ``profile``, and after how many seconds to stop.
REVIEWS = 200
LIMIT_S = 60.0
#: How often each review is timed: the mean of fewer rounds depends on single pauses of a busy machine.
ROUNDS = 5
#: Reviews run before timing, as a warm-up.
_WARM_UP = 5


def time_in_turns(
    backends: Sequence[Backend], texts: Sequence[str], routed: Sequence[bool], threads: int, progress: Progress
) -> tuple[CascadeTiming, np.ndarray]:
    """Time the small member, the large one and the cascade of the two, one review at a time, text in, logits out.

    Each review goes through all three before the next one, in an order that changes from review to review, because
    whatever runs after the large model finds colder caches. Further rounds follow while there is time.

    Args:
        backends: The three, in this order.
        texts: Reviews; the first :data:`REVIEWS` are timed, fewer when time runs out.
        routed: Whether the cascade routes each of them to its large member.
        threads: Threads the three were loaded with.
        progress: Where progress is reported.

    Returns:
        The times, and the cascade's logits, shape (timed reviews, labels).
    """
    for text in texts[:_WARM_UP]:
        for backend in backends:
            backend.logits(backend.encode([text]))
    texts = texts[:REVIEWS]
    orders = list(permutations(range(len(backends))))
    rounds: list[list[list[float]]] = [[] for _ in backends]
    answers: list[np.ndarray] = []
    deadline = time.monotonic() + LIMIT_S
    with progress.task("timing all three", total=ROUNDS * len(texts), unit="reviews") as task:
        for turn in range(ROUNDS):
            for taken in rounds:
                taken.append([])
            for number, text in enumerate(texts):
                for who in orders[(number + turn) % len(orders)]:
                    took, logits = _timed(backends[who], text)
                    rounds[who][-1].append(took)
                    if turn == 0 and who == len(backends) - 1:
                        answers.append(logits)
                task.advance()
                if time.monotonic() > deadline:
                    break
            if time.monotonic() > deadline:
                break
    small_ms, large_ms, cascade_ms = rounds
    timing = CascadeTiming(
        threads=threads,
        small_ms=small_ms,
        large_ms=large_ms,
        cascade_ms=cascade_ms,
        routed=list(routed[: len(answers)]),
    )
    return timing, np.stack(answers)


def _timed(backend: Backend, text: str) -> tuple[float, np.ndarray]:
    """Return the milliseconds one review took, and its logits."""
    began = time.perf_counter_ns()
    logits = backend.logits(backend.encode([text]))
    return (time.perf_counter_ns() - began) / 1e6, logits[0]


def profiled_times(profiles: tuple[Path, Path], members: tuple[Member, Member]) -> ProfiledTimes:
    """Read the members' mean latencies from profiles, which may be from another machine.

    Args:
        profiles: Profile files of the small and the large member.
        members: The members.

    Raises:
        UsageError: A profile is of another bundle or form, or the two are of different machines or settings.
        SlmbenchError: A file is not a profile.
    """
    small, large = (read_record(ProfileRecord, path) for path in profiles)
    for path, profile, member in zip(profiles, (small, large), members, strict=True):
        name, form = member.record.name, member.form
        if (profile.bundle, profile.form) != (name, form):
            raise UsageError(
                f"{path} is a profile of {profile.bundle} {profile.form}, not of {name} {form}: give those of"
                " the small and the large member, in this order"
            )
    settings = [(profile.hardware.get("fingerprint"), profile.device, profile.scenario) for profile in (small, large)]
    # TF-IDF always runs in numpy.
    if settings[0] != settings[1] or len({small.backend, large.backend} - {"numpy"}) > 1:
        raise UsageError(
            f"{profiles[0]} and {profiles[1]} were not measured on the same machine with the same settings: their"
            " latencies cannot be added"
        )
    return ProfiledTimes(
        small=small.name,
        large=large.name,
        machine=str(small.hardware.get("machine")),
        small_ms=small.latency.mean_ms,
        large_ms=large.latency.mean_ms,
    )
