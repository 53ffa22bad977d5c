"""Answers of a form to many reviews: one inference of one thread on each core, instead of one that uses all cores.

An inference on one thread never waits for another thread, so several of them side by side answer more reviews a
second than one that is split over the cores. The answers are the same: how many threads share the work does not
change what is added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from slmbench.common.progress import Progress
from slmbench.edge.runtime import Backend, OnnxBackend, in_workers, usable_cores


class WorkingForm(OnnxBackend):
    """A form that answers one review with all cores, and many reviews with one thread on each core.

    Threads sleep between answers, so that another form can be timed in the same process.

    Args:
        folder: The bundle's folder.
        file: The form's file.
        threads: Threads inside one inference; ``None`` means all cores.
    """

    def __init__(self, folder: Path, file: Path, threads: int | None = None) -> None:
        super().__init__(folder, file, threads, spin_between=False)
        self._opened = (folder, file)
        self._threads = threads

    @cached_property
    def for_many(self) -> OnnxBackend:
        """The same form on one thread, to be called from several at once; loaded when first needed."""
        return self if self._threads == 1 else OnnxBackend(*self._opened, 1, spin_between=False)


def release(form: Backend) -> None:
    """Give back what a :class:`WorkingForm` keeps for many reviews."""
    vars(form).pop("for_many", None)


def form_logits(
    backend: Backend,
    items: Sequence[object],
    progress: Progress,
    what: str,
    batches: Sequence[Sequence[int]] | None = None,
) -> np.ndarray:
    """Run a form over encoded reviews, one at a time unless batches are given.

    Args:
        backend: The form, loaded; a :class:`WorkingForm` answers as many at once as there are cores.
        items: Encoded reviews.
        progress: Where to say how far it is.
        what: What is being done, in words.
        batches: Indices of the reviews of each batch.

    Returns:
        Logits, shape (items, labels).
    """
    groups = [[row] for row in range(len(items))] if batches is None else batches
    cores = usable_cores() if isinstance(backend, WorkingForm) else 1
    worker = backend.for_many if isinstance(backend, WorkingForm) and cores > 1 else backend
    found: dict[int, np.ndarray] = {}

    def answer(group: Sequence[int]) -> np.ndarray:
        return worker.logits([items[row] for row in group])

    tasks = ((partial(answer, group), group) for group in groups)
    with progress.task(what, total=len(items), unit="reviews") as task:
        for logits, group in in_workers(tasks, cores):
            found.update(zip(group, logits, strict=True))
            task.advance(len(group))
    return np.stack([found[row] for row in range(len(items))])
