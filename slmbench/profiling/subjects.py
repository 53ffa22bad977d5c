"""What a profile says of the form that is timed, and what the measured process is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.common.errors import SlmbenchError
from slmbench.instruments.hardware import runs_natively
from slmbench.profiling.answering import JUST_ANSWERED, all_test_reviews, ask_all, other_labels
from slmbench.profiling.workload import Workload, choose_workload
from slmbench.records import Predictions

if TYPE_CHECKING:
    from slmbench.common.progress import Progress
    from slmbench.profiling.cells import Cell, ProfileOptions
    from slmbench.records import FormRecord
    from slmbench.records.cascade import ProfiledCascade
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
        form_sha256: SHA-256 of the form's file, where it is one.
        cascade: Members and threshold, where it is a cascade.
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
    form_sha256: str | None = None
    cascade: ProfiledCascade | None = None


def describe_bundle(cell: Cell, options: ProfileOptions, progress: Progress) -> Subject:
    """Describe a form of a bundle; with another provider than the CPU's once it has answered every test review.

    Raises:
        SlmbenchError: The model does not load with that provider.
    """
    bundle, form = cell.bundle, cell.bundle.forms[cell.form]
    workload = choose_workload(bundle, cell.folder, progress)
    task = cell.task(options)
    answered = _answered_anew(cell, options, progress)
    return Subject(
        task={**task, "texts": workload.texts},
        workload=workload,
        backend=cell.backend(options),
        threads=task["threads"] if bundle.needs_onnxruntime else 1,
        labels=bundle.labels,
        accepted=form.accepted,
        reason=form.reason,
        predictions=answered.predictions,
        regime=form.regime,
        elsewhere=answered.elsewhere,
        model_bytes=form.bytes,
        size_bytes=form.bytes + bundle.shared_bytes,
        warnings=_isa_warning(form) + _routing_warning(cell, workload) + answered.warnings,
        operations=form.graph.operations if form.graph else None,
        form_sha256=form.sha256,
        cascade=bundle.cascade.for_profile() if bundle.cascade else None,
    )


class _Answered(NamedTuple):
    """Answers to the test reviews, where they were given, and what has to be said of them."""

    predictions: Predictions
    elsewhere: str
    warnings: list[str]


def _answered_anew(cell: Cell, options: ProfileOptions, progress: Progress) -> _Answered:
    """Return the answers that a form's accuracy is computed from: the export's, or with another provider new ones."""
    exported, provider = cell.bundle.forms[cell.form].predictions, options.provider
    if provider == "cpu" or not cell.bundle.needs_onnxruntime:
        return _Answered(exported, "where the form was exported: run `slmbench verify`", [])
    try:
        reviews = all_test_reviews(cell.bundle.corpus)
    except SlmbenchError as error:
        lacking = f"its accuracy is that of the CPU where it was exported, on {provider} it may be another: {error}"
        where = f"where the form was exported: its accuracy on {provider} may be another"
        return _Answered(exported, where, [lacking])
    probabilities, _ = ask_all(cell.task(options), reviews.texts, f"{cell.name} on {provider}", progress)
    columns = [cell.bundle.labels.index(label) for label in exported.labels]
    own = Predictions.of(exported.labels, reviews.row_ids, reviews.labels, probabilities[:, columns])
    differing = other_labels(own, exported)
    found = f"{differing} of {len(reviews)} test reviews get another label on {provider} than where it was exported"
    return _Answered(own, JUST_ANSWERED, [found] if differing else [])


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
