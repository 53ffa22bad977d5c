"""What a profile says of the form that is timed, and what the measured process is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slmbench.hardware import runs_natively
from slmbench.profiling.workload import Workload, choose_workload

if TYPE_CHECKING:
    from slmbench.profiling.cells import Cell, ProfileOptions
    from slmbench.progress import Progress
    from slmbench.records import FormRecord, Predictions
    from slmbench.records.roofline import Operations


@dataclass(frozen=True)
class Subject:
    """A form that is ready to be timed.

    Attributes:
        task: What the worker is told.
        workload: What is fed in.
        backend: What runs it, as the record names it.
        threads: Threads inside one inference.
        labels: Label names, in the order of the worker's numbers.
        accepted: Whether it may be shipped.
        reason: Why, in a sentence.
        predictions: Its answers to all test reviews.
        regime: How those were made.
        elsewhere: Where those were made and what to do when it answers otherwise; the end of a sentence.
        model_bytes: Size of the model's file.
        size_bytes: Size of everything that an app would carry.
        warnings: What a reader of the numbers has to know.
        operations: Of one review, where they were counted.
    """

    task: dict[str, Any]
    workload: Workload
    backend: str
    threads: int
    labels: list[str]
    accepted: bool
    reason: str
    predictions: Predictions
    regime: str
    elsewhere: str
    model_bytes: int
    size_bytes: int
    warnings: list[str]
    operations: Operations | None = None


def describe_bundle(cell: Cell, options: ProfileOptions, progress: Progress) -> Subject:
    """Describe a form of a bundle."""
    bundle, form = cell.bundle, cell.bundle.forms[cell.form]
    workload = choose_workload(bundle, cell.folder, progress)
    task = cell.task(options)
    provider = options.provider
    then = ": run `slmbench verify`" if provider == "cpu" else f": its accuracy on {provider} may be another"
    return Subject(
        task={**task, "texts": workload.texts},
        workload=workload,
        backend=cell.backend(options),
        threads=task["threads"] if bundle.needs_onnxruntime else 1,
        labels=bundle.labels,
        accepted=form.accepted,
        reason=form.reason,
        predictions=form.predictions,
        regime=form.regime,
        elsewhere=f"where the form was exported{then}",
        model_bytes=form.bytes,
        size_bytes=form.bytes + bundle.shared_bytes,
        warnings=_isa_warning(form) + _routing_warning(cell, workload),
        operations=form.graph.operations if form.graph else None,
    )


def _isa_warning(form: FormRecord) -> list[str]:
    """Say when a quantized form was made for instructions that this CPU lacks: its sums may saturate here."""
    if form.isa is None or runs_natively(form.isa) is not False:
        return []
    return [f"the form was made for and checked on {form.isa}, which this CPU lacks: its accuracy may be lower here"]


def _routing_warning(cell: Cell, workload: Workload) -> list[str]:
    """Say when a cascade was fed with what it does not route as it routes reviews."""
    if cell.bundle.cascade is None or workload.identity.inputs == "reviews":
        return []
    return [
        f"{cell.name} is a cascade and was timed on words, not on reviews: which go on to its large member is then"
        " chance, and so is its latency"
    ]
