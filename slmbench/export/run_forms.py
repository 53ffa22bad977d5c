"""The forms of a run: each is made and checked; one that loses too much keeps products in float, or is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.common.files import sha256_of
from slmbench.edge.runtime import TfidfBackend, softmax
from slmbench.export.builder import FormBuilder
from slmbench.export.checking import CheckedForm, FormChecker
from slmbench.export.forms import FORMS, REFERENCE
from slmbench.export.graph import unweighted_nodes, weighted_nodes
from slmbench.export.manifest import MANIFEST_TEXTS, manifest_of, unanswered_texts
from slmbench.export.parity import accept_reference, compare_logits, form_logits
from slmbench.export.sealing import with_sealed_answers
from slmbench.export.sensitivity import DECIDING_REVIEWS, SearchInputs, keep_more, rank
from slmbench.instruments.hardware import quantization_preset
from slmbench.models import load_tokenizer
from slmbench.records import FormRecord, Predictions
from slmbench.records.bundle import SensitivitySearch
from slmbench.records.predictions import REGIME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    import numpy as np

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.edge.runtime import OnnxBackend
    from slmbench.export.forms import Calibration, Form
    from slmbench.records import Parity, RunRecord
    from slmbench.records.bundle import Manifest

_TFIDF_FILES = ("tfidf.json", "tfidf.npz")


@dataclass(frozen=True)
class RunData:
    """What the forms of a run are made of and checked on.

    Attributes:
        run: The run's record.
        model: Folder of the trained model.
        corpus: The run's reviews: test rows check, training rows calibrate and guide the search.
        logits: The trained model's own logits on the test rows, shape (rows, labels).
    """

    run: RunRecord
    model: Path
    corpus: Corpus
    logits: np.ndarray


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
    max_drop: float,
    calibration: Calibration,
    progress: Progress,
) -> MadeForms:
    """Write ONNX forms into a bundle's folder and check them.

    Args:
        data: The run.
        wanted: Names of the forms to keep; fp32 is made in any case, as the reference.
        folder: The bundle's folder.
        max_drop: Largest accepted loss of accuracy against fp32, as a fraction.
        calibration: How static ranges are found.
        progress: Where to say how far it is.

    Raises:
        SlmbenchError: The architecture cannot be exported, fp32 changes a label, or a form cannot be made.
    """
    write_tokenizer(data.model, folder, data.run.max_length)
    shutil.copy(data.model / "config.json", folder)
    fp32 = folder / FORMS[REFERENCE].file
    texts = data.corpus.train.texts
    builder = FormBuilder(
        data.model, folder, fp32, texts[: calibration.reviews], calibration.method, quantization_preset()
    )
    with progress.task("exporting to ONNX"):
        FORMS[REFERENCE].make(builder, fp32, ())
    checker = FormChecker(folder, data.corpus.test, data.run.predictions.labels, max_drop, progress)
    checker.take_reference(fp32)
    parity = compare_logits("the torch model in fp32", data.logits, checker.reference_logits)
    records = {REFERENCE: _reference_record(data.run, checker, parity)}
    backends: dict[str, OnnxBackend] = {REFERENCE: checker.reference}
    maker = _FormMaker(builder, checker, texts, max_drop, progress)
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
        if records[name].accepted:
            records[name] = records[name].model_copy(update={"accepted": False, "reason": reason})
    if REFERENCE not in wanted:
        fp32.unlink()
    return MadeForms({name: records[name] for name in wanted}, checker.lengths, manifest)


class _FormMaker:
    """Makes and checks one form after another; one that loses too much is made again with products in float."""

    def __init__(
        self, builder: FormBuilder, checker: FormChecker, texts: Sequence[str], max_drop: float, progress: Progress
    ) -> None:
        self._builder, self._checker, self._texts = builder, checker, texts
        self._max_drop, self._progress = max_drop, progress
        self._scratch = builder.folder / "scratch.onnx"

    def remove_scratch_files(self) -> None:
        """Remove what was written beside the forms."""
        self._scratch.unlink(missing_ok=True)
        self._builder.remove_scratch_files()

    def make(self, form: Form) -> tuple[FormRecord, OnnxBackend]:
        """Make and check a form."""
        target = self._builder.folder / form.file
        with self._progress.task(f"making {form.name}"):
            settings = self._write(form, target)
        backend = self._checker.load(target)
        checked = self._checker.check(form.name, backend)
        search = None
        if not checked.accepted and form.quantized:
            search, found = self._search(form, checked)
            if found is None:
                tried = max((step.kept for step in search.steps), default=0)
                reason = f"{checked.reason}; keeping up to {tried} products in float did not help"
                checked = replace(checked, reason=reason)
            else:
                self._scratch.replace(target)
                backend, checked = self._checker.load(target), found
                settings["kept_in_float"] = search.kept
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

    def _search(self, form: Form, before: CheckedForm) -> tuple[SensitivitySearch, CheckedForm | None]:
        """Look for products to keep in float; the file of the form that is found is then the scratch file."""
        nodes = weighted_nodes(self._source(form))
        self._progress.say(f"{form.name}: {before.reason}; looking for products to keep in float")
        inputs = SearchInputs(
            nodes,
            lambda target, kept: self._write(form, target, kept),
            self._checker.load,
            self._checker.reference,
            self._texts,
            self._scratch,
        )
        harm = rank(inputs, self._progress)
        steps, found, kept = [], None, []
        for tried, step in keep_more(inputs, list(harm), self._progress):
            steps.append(step)
            # Accuracy cannot fall by more than the share of labels that change.
            if 1 - step.agreement > self._max_drop:
                continue
            checked = self._checker.check(form.name, self._checker.load(self._scratch))
            if checked.accepted:
                found, kept = checked, tried
                break
        search = SensitivitySearch(
            reviews=min(DECIDING_REVIEWS, len(self._texts)),
            divergence=harm,
            steps=steps,
            kept=kept,
            accuracy_before=float((before.logits.argmax(1) == self._checker.truth).mean()),
            reason_before=before.reason,
        )
        if found is not None:
            loss = before.difference
            all_quantized = f"all quantized: {100 * loss.difference:+.1f} points" if loss else ""
            reason = f"{found.reason}, with {len(kept)} of {len(nodes)} products kept in float ({all_quantized})"
            found = replace(found, reason=reason)
        return search, found


def make_tfidf_form(data: RunData, folder: Path, progress: Progress) -> MadeForms:
    """Copy the numpy form of a TF-IDF run into a bundle's folder and compare it with scikit-learn.

    Args:
        data: The run.
        folder: The bundle's folder.
        progress: Where to say how far it is.

    Raises:
        SlmbenchError: It changes a label.
    """
    for name in _TFIDF_FILES:
        shutil.copy(data.model / name, folder)
    labels = data.run.predictions.labels
    configuration = {
        "model_type": "tfidf",
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    (folder / "config.json").write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
    backend = TfidfBackend(folder)
    test = data.corpus.test
    items = backend.encode(test.texts)
    logits = form_logits(backend, items, progress, "checking the numpy form")
    parity = compare_logits("scikit-learn in fp64", data.logits, logits)
    record = FormRecord(
        file="tfidf.npz",
        bytes=(folder / "tfidf.npz").stat().st_size,
        sha256=sha256_of(folder / "tfidf.npz"),
        parity=parity,
        accepted=True,
        reason=_reason_of_reference(data.run, parity),
        predictions=Predictions.of(labels, test.row_ids, test.labels, softmax(logits)),
        regime=REGIME,
    )
    record = with_sealed_answers(record, REFERENCE, backend, data.corpus.confirmation, folder, progress)
    manifest = manifest_of({REFERENCE: backend}, token_ids=False)
    return MadeForms({REFERENCE: record}, backend.lengths(items), manifest)


def _reference_record(run: RunRecord, checker: FormChecker, parity: Parity) -> FormRecord:
    checked = CheckedForm(
        checker.reference_logits, parity, None, accepted=True, reason=_reason_of_reference(run, parity)
    )
    return checker.record(FORMS[REFERENCE].file, checker.reference, checked)


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
