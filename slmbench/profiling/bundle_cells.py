"""Cells of bundles: which forms there are to measure, and what a profile says of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import BUNDLES
from slmbench.common.progress import Progress
from slmbench.instruments.hardware import runs_natively
from slmbench.profiling.agreement import JUST_ANSWERED, all_test_reviews, ask_all, other_labels
from slmbench.profiling.carried_answers import carried_over
from slmbench.profiling.prepared import PreparedCell, task_of
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.workload import Workload, choose_workload
from slmbench.records import BundleRecord, FormRecord, Predictions, artefacts
from slmbench.records.predictions import REGIME, batched_regime


@dataclass(frozen=True)
class BundleCell:
    """One measurement to make: a form of a bundle; see :class:`slmbench.profiling.prepared.AnyCell`."""

    folder: Path
    bundle: BundleRecord
    form: str

    @property
    def name(self) -> str:
        """Bundle and form."""
        return f"{self.bundle.name} {self.form}"

    @property
    def source(self) -> BundleRecord:
        """The bundle's record."""
        return self.bundle

    @property
    def inputs(self) -> dict[str, str | None]:
        """What the key of a profile holds of it."""
        return {"bundle": self.bundle.key, "file": self.bundle.forms[self.form].sha256}

    @property
    def same_everywhere(self) -> bool:
        """Whether it has no ONNX file: the edge runtime then computes with numpy, whatever the backend."""
        return not self.bundle.needs_onnxruntime

    def backend(self, options: ProfileOptions) -> str:
        """Return what runs it, as records name it."""
        return "numpy" if self.same_everywhere and options.as_exported else options.backend

    def answers_as_exported(self, options: ProfileOptions) -> bool:
        """Whether it computes here as it did at export, so that answers given then are its own."""
        as_timed = options.as_exported and (options.answers_in is None or self.same_everywhere)
        return as_timed and not _isa_warning(self.bundle.forms[self.form])

    def task(self, options: ProfileOptions) -> dict[str, Any]:
        """Return what the measured process is told, except the texts."""
        return task_of(self.folder, self.form, options) | {"seal": self.bundle.seal}

    def prepare(self, options: ProfileOptions, progress: Progress) -> PreparedCell:
        """Make it ready to be timed; where it computes otherwise than at export, it first answers all test reviews.

        Raises:
            SlmbenchError: The backend is not available here, or the model does not load with it.
        """
        if not self.same_everywhere:
            options.runs_on.check_available(options.device)
        form = self.bundle.forms[self.form]
        workload = choose_workload(self.bundle, self.folder, progress)
        answered = _answers(self, options, progress)
        return PreparedCell(
            task={**self.task(options), "texts": workload.texts},
            workload=workload,
            backend=self.backend(options),
            threads=1 if self.same_everywhere else options.threads_used,
            labels=self.bundle.labels,
            accepted=form.accepted,
            verdict=form.verdict,
            reason=form.reason,
            predictions=answered.predictions,
            regime=answered.regime,
            elsewhere=answered.elsewhere,
            model_bytes=form.bytes,
            size_bytes=form.bytes + self.bundle.shared_bytes,
            warnings=_isa_warning(form) + _routing_warning(self, workload) + answered.warnings,
            operations=form.graph.operations if form.graph else None,
            runs_in=self.bundle.runs_in(self.form),
            form_sha256=form.sha256,
            cascade=self.bundle.cascade.for_profile() if self.bundle.cascade else None,
            confirmation=carried_over(self.folder, self.bundle, self.form, computes_in=answered.computes_in),
        )


def find_bundle_cells(bundles: Sequence[Path], options: ProfileOptions) -> list[BundleCell]:
    """Return what is to be measured of bundles, reading every record before anything is timed.

    Args:
        bundles: Bundle folders, or folders of bundles; none means everything in ``exported/``.
        options: How; without forms every form of a bundle.

    Raises:
        UsageError: A folder is not a bundle and holds none, or has none of the forms; or the backend measures runs.
        SlmbenchError: A bundle's record is damaged.
    """
    if options.runs_on.takes == "run":
        raise UsageError(f"sweep and versus measure bundles: leave out --backend {options.backend}")
    folders = artefacts.find(bundles or [BUNDLES], BundleRecord)
    cells = []
    for folder in folders:
        record = artefacts.read(folder, BundleRecord)
        chosen = [form for form in record.forms if options.forms is None or form in options.forms]
        if options.forms is not None and len(folders) == 1 and len(chosen) < len(options.forms):
            missing = ", ".join(form for form in options.forms if form not in record.forms)
            raise UsageError(f"{folder} has no form {missing}; it has: {', '.join(record.forms)}")
        cells += [BundleCell(folder, record, form) for form in chosen]
    if not cells:
        raise UsageError(f"no bundle has a form {', '.join(options.forms or ())}")
    return cells


class _Answers(NamedTuple):
    """Answers to the test reviews, how and where they were given, and warnings about them."""

    predictions: Predictions
    regime: str
    elsewhere: str
    warnings: list[str]
    #: Where the form computes otherwise than at export, in words.
    computes_in: str | None = None


def _answers(cell: BundleCell, options: ProfileOptions, progress: Progress) -> _Answers:
    """Return the answers that a form's accuracy is computed from: the export's, or those given as it is timed."""
    form, budget = cell.bundle.forms[cell.form], options.answers_in
    if options.as_exported and (budget is None or cell.same_everywhere):
        lacks = f"a CPU without {form.isa}" if _isa_warning(form) else None
        exported = "where the form was exported: run `slmbench verify`"
        return _Answers(form.predictions, form.regime, exported, [], lacks)
    where = options.backend if options.device == "cpu" else options.device
    if budget is not None:
        where = f"{where} in batches"
    try:
        reviews = all_test_reviews(cell.bundle.corpus)
    except SlmbenchError as error:
        lacking = f"its accuracy is that of the CPU where it was exported, on {where} it may be another: {error}"
        elsewhere = f"where the form was exported: its accuracy on {where} may be another"
        return _Answers(form.predictions, form.regime, elsewhere, [lacking], where)
    probabilities, _ = ask_all(cell.task(options), reviews.texts, f"{cell.name} on {where}", progress, budget)
    columns = [cell.bundle.labels.index(label) for label in form.predictions.labels]
    own = Predictions.of(form.predictions.labels, reviews.row_ids, reviews.labels, probabilities[:, columns])
    differing = other_labels(own, form.predictions)
    found = f"{differing} of {len(reviews)} test reviews get another label on {where} than where it was exported"
    regime = REGIME if budget is None else batched_regime(budget)
    return _Answers(own, regime, JUST_ANSWERED, [found] if differing else [], where if differing else None)


def _isa_warning(form: FormRecord) -> list[str]:
    """Warn when a quantized form was made for instructions that this CPU lacks: its sums may saturate here."""
    if form.isa is None or runs_natively(form.isa) is not False:
        return []
    return [f"the form was made for and checked on {form.isa}, which this CPU lacks: its accuracy may be lower here"]


def _routing_warning(cell: BundleCell, workload: Workload) -> list[str]:
    """Warn when a cascade was timed on words, which it does not route as it routes reviews."""
    if cell.bundle.cascade is None or workload.identity.inputs == "reviews":
        return []
    return [
        f"{cell.name} is a cascade and was timed on words, not on reviews: which of them go on to its large member is"
        " chance, and so is its latency"
    ]
