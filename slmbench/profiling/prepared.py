"""Cells, and what a profile says of one: a form of a bundle, or a run in a precision of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.profiling.carried_answers import IN_TORCH, CarriedAnswers
from slmbench.profiling.workload import Workload
from slmbench.records import BundleRecord, Predictions, RunRecord
from slmbench.records.bundle import FormVerdict
from slmbench.records.cascade import ProfiledCascade
from slmbench.records.roofline import Operations

if TYPE_CHECKING:
    from slmbench.profiling.profile_options import ProfileOptions

C = TypeVar("C")
R = TypeVar("R")


@dataclass(frozen=True)
class PreparedCell:
    """A form that is ready to be timed.

    Attributes:
        task: What the measured process is told; see :class:`slmbench.profiling.worker.Worker`.
        workload: What is fed in.
        backend: What runs it, as the record names it.
        threads: Threads inside one inference.
        labels: Label names, in the order of the worker's numbers.
        accepted: Whether it may be shipped.
        verdict: What its test reviews show; an undecided form may be shipped where that was asked for.
        reason: Why, in a sentence.
        predictions: Its answers to all test reviews.
        regime: How those were made.
        elsewhere: Where those were made and what to do when the form answers differently; the end of a sentence.
        model_bytes: Size of the model's file.
        size_bytes: Size of everything that an app would carry.
        warnings: What a reader of the numbers has to know.
        operations: Of one review, where they were counted.
        runs_in: Runtimes that run it.
        form_sha256: SHA-256 of the form's file, where it is one.
        cascade: Members and threshold, where it is a cascade.
        confirmation: Its sealed answers to reviews used for nothing else, or why there are none.
    """

    task: dict[str, Any]
    workload: Workload
    backend: str
    threads: int
    labels: list[str]
    accepted: bool
    verdict: FormVerdict
    reason: str
    predictions: Predictions
    regime: str
    elsewhere: str
    model_bytes: int
    size_bytes: int
    warnings: list[str]
    operations: Operations | None = None
    runs_in: list[str] = field(default_factory=list)
    form_sha256: str | None = None
    cascade: ProfiledCascade | None = None
    confirmation: CarriedAnswers = IN_TORCH


def task_of(folder: Path, form: str, options: ProfileOptions) -> dict[str, Any]:
    """Return what the measured process is told, except the texts; see :class:`slmbench.profiling.worker.Worker`."""
    if options.url is not None:
        place = {"loader": "slmbench.profiling.outside:connect", "url": options.url}
    else:
        place = {"loader": options.runs_on.loader}
    return {
        **place,
        "folder": str(folder),
        "form": form,
        "device": options.device,
        "threads": options.threads_used,
    }


class AnyCell(Protocol):
    """One measurement to make: a form of a bundle, or a run in a precision and mode of torch."""

    @property
    def folder(self) -> Path:
        """Folder of the bundle or run."""

    @property
    def form(self) -> str:
        """What records call the form."""

    @property
    def name(self) -> str:
        """Bundle or run, and form."""

    @property
    def source(self) -> BundleRecord | RunRecord:
        """Record of the bundle or run."""

    @property
    def inputs(self) -> dict[str, str | None]:
        """What the key of a profile holds of it."""

    @property
    def same_everywhere(self) -> bool:
        """Whether it runs in one way only, whatever the backend, as TF-IDF does."""

    def prepare(self, options: ProfileOptions, progress: Progress) -> PreparedCell:
        """Make it ready to be timed.

        Raises:
            SlmbenchError: The model does not load, or its accuracy cannot be known.
        """


def measure_each(
    cells: Iterable[C], measure: Callable[[C], R], failed: Callable[[C, SlmbenchError], None] | None
) -> Iterator[R]:
    """Measure cells one after another; when one fails, the others are still measured.

    Args:
        cells: What to measure.
        measure: Measures one.
        failed: Called when a cell fails; without it the failure is raised.

    Yields:
        What each measurement gives.

    Raises:
        SlmbenchError: A cell failed and ``failed`` was not given.
    """
    for cell in cells:
        try:
            record = measure(cell)
        except SlmbenchError as error:
            if failed is None:
                raise
            failed(cell, error)
            continue
        yield record
