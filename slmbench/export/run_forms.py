"""The forms of a run: each is made, keeps products in float where it changes too many labels, and is then judged."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.corpora import Corpus
from slmbench.edge.runtime import Backend
from slmbench.export.builder import FormBuilder
from slmbench.export.checking import CheckedForm, FormChecker
from slmbench.export.forms import FORMS, REFERENCE, Calibration, Form
from slmbench.export.graph import unweighted_nodes, weighted_nodes
from slmbench.export.guard import Judgement, LossLimits
from slmbench.export.manifest import MANIFEST_TEXTS, manifest_of, unanswered_texts
from slmbench.export.numpy_forms import NUMPY_RUNTIMES, copy_settings, load_numpy
from slmbench.export.parity import accept_reference, compare_logits
from slmbench.export.sealing import with_sealed_answers
from slmbench.export.sensitivity import ReferenceAnswers, SearchInputs, keep_more, rank
from slmbench.export.switched import NotSwitchableError, SwitchedForm, write_switched
from slmbench.instruments.hardware import quantization_preset
from slmbench.models import load_tokenizer
from slmbench.records import FormRecord, Parity, RunRecord
from slmbench.records.bundle import Manifest, SensitivitySearch


@dataclass(frozen=True)
class RunData:
    """What the forms of a run are made of and checked on.

    Attributes:
        run: The run's record.
        model: Folder of the trained model.
        corpus: The run's reviews: training rows calibrate, they and validation rows guide the search, test rows
            judge.
        logits: The trained model's own logits on the test rows, shape (rows, labels).
        calibration: Texts that find the ranges of calibrated forms.
    """

    run: RunRecord
    model: Path
    corpus: Corpus
    logits: np.ndarray
    calibration: Sequence[str]


@dataclass(frozen=True)
class MadeForms:
    """The forms in a bundle, the token lengths of the test rows, and the forms' answers to the fixed texts."""

    records: dict[str, FormRecord]
    tokens: list[int]
    manifest: Manifest


def make_onnx_forms(
    data: RunData,
    wanted: Sequence[str],
    folder: Path,
    limits: LossLimits,
    calibration: Calibration,
    progress: Progress,
) -> MadeForms:
    """Write ONNX forms into a bundle's folder and check them.

    Args:
        data: The run.
        wanted: Names of the forms to keep; fp32 is made in any case, as the reference.
        folder: The bundle's folder.
        limits: What a form may lose against fp32.
        calibration: How static ranges are found.
        progress: Where to say how far it is.

    Raises:
        SlmbenchError: The architecture cannot be exported, fp32 changes a label, or a form cannot be made.
    """
    write_tokenizer(data.model, folder, data.run.max_length)
    shutil.copy(data.model / "config.json", folder)
    fp32 = folder / FORMS[REFERENCE].file
    texts = data.corpus.train.texts
    builder = FormBuilder(data.model, folder, fp32, data.calibration, calibration.method, quantization_preset())
    with progress.task("exporting to ONNX"):
        FORMS[REFERENCE].make(builder, fp32, ())
    checker = FormChecker(folder, data.corpus.test, data.run.predictions.labels, limits, progress)
    checker.take_reference(fp32, data.logits)
    asked = checker.asked
    parity = compare_logits("the torch model in fp32", data.logits[asked], checker.reference_logits[asked])
    records = {REFERENCE: _reference_record(data.run, checker, parity, FORMS[REFERENCE].file)}
    backends: dict[str, Backend] = {REFERENCE: checker.reference}
    maker = _FormMaker(builder, checker, [*data.corpus.validation.texts, *texts], limits.accuracy, progress)
    try:
        for name in wanted:
            if name != REFERENCE:
                records[name], backends[name] = maker.make(FORMS[name])
    finally:
        maker.remove_scratch_files()
    for name in wanted:
        records[name] = with_sealed_answers(
            records[name], name, backends[name], data.corpus.confirmation, folder, progress
        )
    manifest = manifest_of({name: backends[name] for name in wanted}, token_ids=True)
    for name, count in unanswered_texts(manifest).items():
        reason = f"NaN or infinity instead of logits on {count} of the {len(MANIFEST_TEXTS)} fixed texts"
        if name == REFERENCE:
            raise SlmbenchError(f"fp32 of {data.run.name} is refused: {reason}")
        if records[name].verdict != "refused":
            records[name] = records[name].model_copy(
                update={"accepted": False, "verdict": "refused", "reason": reason}
            )
    if REFERENCE not in wanted:
        fp32.unlink()
    return MadeForms({name: records[name] for name in wanted}, checker.lengths, manifest)


class _FormMaker:
    """Makes and checks one form after another; one that changes too many labels is made again with products in float.

    Args:
        builder: Writes the files.
        checker: Judges the forms on the test reviews.
        texts: Other reviews, which decide what is kept in float.
        max_change: Largest share of labels that a form may change before products are kept in float.
        progress: Where to say how far it is.
    """

    def __init__(
        self, builder: FormBuilder, checker: FormChecker, texts: Sequence[str], max_change: float, progress: Progress
    ) -> None:
        self._builder, self._checker, self._texts = builder, checker, texts
        self._max_change, self._progress = max_change, progress
        self._scratch = builder.folder / "scratch.onnx"

    def remove_scratch_files(self) -> None:
        """Remove what was written beside the forms."""
        self._scratch.unlink(missing_ok=True)
        self._builder.remove_scratch_files()

    def make(self, form: Form) -> tuple[FormRecord, Backend]:
        """Make and check a form."""
        target = self._builder.folder / form.file
        with stage("quantizing"), self._progress.task(f"making {form.name}"):
            settings = self._write(form, target)
        with stage("search"):
            search = self._keep_in_float(form, target) if form.quantized else None
        backend = self._checker.load(target)
        checked = self._checker.check(form.name, backend)
        if search is not None:
            settings["kept_in_float"] = search.kept
            reason = f"{checked.judgement.reason}; {_what_was_kept(search)}"
            checked = replace(checked, judgement=replace(checked.judgement, reason=reason))
        isa = self._builder.preset if form.for_isa else None
        record = self._checker.record(form.file, backend, checked, isa, search=search, settings=settings)
        return record, backend

    def _write(self, form: Form, target: Path, keep_float: Sequence[str] = ()) -> dict[str, Any]:
        """Write a form's file; products of two activations are never quantized."""
        keep = [*keep_float, *unweighted_nodes(self._source(form))] if form.quantized else []
        try:
            return form.make(self._builder, target, keep)
        except (ValueError, KeyError, RuntimeError, IndexError, NotImplementedError, AttributeError) as error:
            raise SlmbenchError(f"{form.name} cannot be made of this graph: {first_line(error)}") from None

    def _source(self, form: Form) -> Path:
        return self._builder.fused if form.source == "fused" else self._builder.fp32

    @cached_property
    def _answers(self) -> ReferenceAnswers:
        with self._progress.task("fp32's answers to reviews that are not test reviews"):
            return ReferenceAnswers(self._checker.reference, self._texts)

    def _switched(self, form: Form, target: Path) -> SwitchedForm | None:
        """Return a model in which each product of a form can be quantized alone, where there can be one."""
        source, file = self._source(form), self._builder.folder / "scratch_switched.onnx"
        nodes = weighted_nodes(source)
        try:
            write_switched(source, target, file, nodes)
            return SwitchedForm(self._builder.folder, file, nodes)
        except (NotSwitchableError, SlmbenchError):
            return None  # a form with a graph of its own is made once for each product
        finally:
            file.unlink(missing_ok=True)

    def _keep_in_float(self, form: Form, target: Path) -> SensitivitySearch | None:
        """Replace a form's file by one with products in float where it changes too many labels.

        It is the first that changes few enough, otherwise the one that changes fewest, of those that still save half
        of what the form saves.

        Returns:
            The search; ``None`` where none was needed.
        """
        with self._progress.task(f"comparing {form.name} with fp32"):
            before = self._answers.agreement(self._checker.load(target))
        if 1 - before <= self._max_change:
            return None
        self._progress.say(
            f"{form.name} changes {100 * (1 - before):.1f} % of fp32's labels on {len(self._answers)} reviews"
            " other than the test reviews; looking for products to keep in float"
        )
        inputs = SearchInputs(
            weighted_nodes(self._source(form)),
            lambda target, kept: self._write(form, target, kept),
            self._checker.load,
            self._answers,
            self._scratch,
            self._switched(form, target),
        )
        harm = rank(inputs, self._progress)
        steps, kept, best = [], [], before
        # A form that gives up most of what it saves is no longer worth having.
        max_bytes = (target.stat().st_size + self._builder.fp32.stat().st_size) / 2
        for tried, step in keep_more(inputs, list(harm), self._progress):
            steps.append(step)
            if step.bytes > max_bytes:
                break
            if step.agreement > best:
                kept, best = tried, step.agreement
            # Accuracy cannot fall by more than the share of labels that change.
            if 1 - step.agreement <= self._max_change:
                break
        if kept:
            self._write(form, target, kept)
        return SensitivitySearch(
            reviews=len(self._answers), divergence=harm, steps=steps, kept=kept, agreement_before=before
        )


def _what_was_kept(search: SensitivitySearch) -> str:
    if search.kept:
        return f"{len(search.kept)} of {len(search.divergence)} products kept in float"
    tried = max((step.kept for step in search.steps), default=0)
    return f"keeping up to {tried} products in float did not help"


def make_numpy_forms(
    data: RunData, runtime: str, wanted: Sequence[str], folder: Path, limits: LossLimits, progress: Progress
) -> MadeForms:
    """Write the forms of what numpy runs into a bundle's folder and check them.

    Args:
        data: The run.
        runtime: One of :data:`~slmbench.export.numpy_forms.NUMPY_RUNTIMES`.
        wanted: Names of the forms to keep; fp32 is made in any case, as the reference.
        folder: The bundle's folder.
        limits: What a form may lose against fp32.
        progress: Where to say how far it is.

    Raises:
        SlmbenchError: The fp32 form changes a label of the trained model.
    """
    declared, labels = NUMPY_RUNTIMES[runtime], data.run.predictions.labels
    copy_settings(runtime, data.model, folder, labels)
    trained = data.model / declared.trained
    checker = FormChecker(
        folder, data.corpus.test, labels, limits, progress, load=lambda file: load_numpy(runtime, file)
    )
    fp32 = folder / declared.forms[REFERENCE].file
    declared.forms[REFERENCE].make(trained, fp32)
    checker.take_reference(fp32)
    parity = compare_logits(declared.against, data.logits, checker.reference_logits)
    records, backends = (
        {REFERENCE: _reference_record(data.run, checker, parity, fp32.name)},
        {REFERENCE: checker.reference},
    )
    for name in wanted:
        if name != REFERENCE:
            file = declared.forms[name].file
            declared.forms[name].make(trained, folder / file)
            backends[name] = checker.load(folder / file)
            records[name] = checker.record(file, backends[name], checker.check(name, backends[name]))
    for name in wanted:
        records[name] = with_sealed_answers(
            records[name], name, backends[name], data.corpus.confirmation, folder, progress
        )
    manifest = manifest_of({name: backends[name] for name in wanted}, token_ids=False)
    if REFERENCE not in wanted:
        fp32.unlink()
    return MadeForms({name: records[name] for name in wanted}, checker.lengths, manifest)


def _reference_record(run: RunRecord, checker: FormChecker, parity: Parity, file: str) -> FormRecord:
    judgement = Judgement("accepted", accepted=True, reason=_reason_of_reference(run, parity), checks=[])
    checked = CheckedForm(checker.reference_logits, parity, None, judgement)
    return checker.record(file, checker.reference, checked)


def _reason_of_reference(run: RunRecord, parity: Parity) -> str:
    """Return why fp32 is accepted.

    Raises:
        SlmbenchError: It is not: it changes a label of the trained model.
    """
    accepted, reason = accept_reference(parity)
    if not accepted:
        raise SlmbenchError(f"fp32 of {run.name} is refused: {reason}")
    return reason


def write_tokenizer(model: Path, folder: Path, max_length: int | None) -> None:
    """Write a model's tokenizer with truncation and padding as trained inside ``tokenizer.json``.

    Every runtime that reads the file then truncates and pads alike.

    Args:
        model: The trained model's folder.
        folder: The bundle's folder.
        max_length: Maximum input length in tokens, as trained.
    """
    tokenizer = load_tokenizer(model, max_length=max_length)
    tokenizer.save_pretrained(folder)
    backend = tokenizer.backend_tokenizer
    if max_length is not None:
        backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    backend.enable_padding(
        direction=tokenizer.padding_side,
        pad_id=tokenizer.pad_token_id,
        pad_type_id=tokenizer.pad_token_type_id,
        pad_token=tokenizer.pad_token,
    )
    backend.save(str(folder / "tokenizer.json"))
    # tokenizer.json holds the same vocabulary; a device needs it once.
    for copy in ("vocab.txt", "special_tokens_map.json"):
        (folder / copy).unlink(missing_ok=True)
