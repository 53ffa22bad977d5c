"""The forms of a run: each made, judged, rescued where it harms or refused with the evidence."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import sha256_of
from slmbench.edge.runtime import TfidfBackend, softmax
from slmbench.export.catalogue import FORM_PLANS, REFERENCE
from slmbench.export.exporter import export_onnx
from slmbench.export.graph import weighted_nodes
from slmbench.export.isa import quantization_preset
from slmbench.export.judging import Judge, Judged
from slmbench.export.making import Workshop, fuse
from slmbench.export.manifest import manifest_of
from slmbench.export.parity import compare_logits, form_logits
from slmbench.export.sensitivity import DECIDING_REVIEWS, SearchMaterial, keep_more, rank
from slmbench.export.tokenizer import write_tokenizer
from slmbench.export.verdict import judge_reference
from slmbench.records import FormRecord, Predictions
from slmbench.records.bundle import SensitivitySearch
from slmbench.records.predictions import REGIME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.edge.runtime import OnnxBackend
    from slmbench.export.catalogue import Calibration
    from slmbench.records import RunRecord
    from slmbench.records.bundle import Manifest

_TFIDF_FILES = ("tfidf.json", "tfidf.npz")


@dataclass(frozen=True)
class Material:
    """What forms are made of and judged on.

    Attributes:
        run: The run's record.
        model: Folder of the trained model.
        corpus: The run's reviews: test rows judge, training rows calibrate and guide the search.
        logits: The trained model's own logits on the test rows, shape (rows, labels).
    """

    run: RunRecord
    model: Path
    corpus: Corpus
    logits: np.ndarray


@dataclass(frozen=True)
class MadeForms:
    """The forms in a bundle, the token lengths of the test rows, and what the forms answer to the fixed texts."""

    records: dict[str, FormRecord]
    tokens: list[int]
    manifest: Manifest


def make_onnx_forms(
    material: Material,
    wanted: Sequence[str],
    folder: Path,
    max_drop: float,
    calibration: Calibration,
    progress: Progress,
) -> MadeForms:
    """Write ONNX forms into a bundle folder and judge them.

    Args:
        material: The run.
        wanted: Forms to keep; fp32 is made in any case, as the reference.
        folder: The bundle's folder.
        max_drop: Largest accepted loss of accuracy against fp32, as a fraction.
        calibration: How static ranges are found.
        progress: Where to say how far it is.

    Raises:
        SlmbenchError: The architecture cannot be exported, or fp32 changes a label.
    """
    write_tokenizer(material.model, folder, material.run.max_length)
    shutil.copy(material.model / "config.json", folder)
    fp32 = folder / FORM_PLANS[REFERENCE].file
    with progress.task("exporting to ONNX"):
        export_onnx(material.model, fp32)
    judge = Judge(folder, material.corpus.test, material.run.predictions.labels, max_drop, progress)
    records = {REFERENCE: _reference_record(material, judge, fp32)}
    backends: dict[str, OnnxBackend] = {REFERENCE: judge.reference}
    with _Workbench(material, folder, wanted, judge, calibration, progress) as bench:
        for form in wanted:
            if form != REFERENCE:
                records[form], backends[form] = bench.make(form, max_drop)
    manifest = manifest_of({form: backends[form] for form in wanted}, token_ids=True)
    if REFERENCE not in wanted:
        fp32.unlink()
        del records[REFERENCE]
    return MadeForms({form: records[form] for form in wanted}, judge.lengths, manifest)


class _Workbench:
    """The files that forms are made from, and the making of one form after another."""

    def __init__(
        self,
        material: Material,
        folder: Path,
        wanted: Sequence[str],
        judge: Judge,
        calibration: Calibration,
        progress: Progress,
    ) -> None:
        self._folder, self._judge, self._progress = folder, judge, progress
        self._texts = material.corpus.train.texts
        fp32 = folder / FORM_PLANS[REFERENCE].file
        self._scratch = folder / "scratch.onnx"
        self._fused = folder / "scratch_fused.onnx"
        plans = [FORM_PLANS[form] for form in wanted]
        if any(plan.fused for plan in plans):
            with progress.task("fusing"):
                fuse(fp32, self._fused)
        feeds = []
        if any(plan.calibrated for plan in plans):
            items = judge.reference.encode(self._texts[: calibration.reviews])
            feeds = [judge.reference.feed([item]) for item in items]
        self._workshop = Workshop(
            fp32, self._fused if self._fused.exists() else None, quantization_preset(), calibration, feeds
        )

    def __enter__(self) -> _Workbench:
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.unlink(missing_ok=True)
        self._fused.unlink(missing_ok=True)

    def make(self, form: str, max_drop: float) -> tuple[FormRecord, OnnxBackend]:
        """Make and judge a form, and keep products in float where it harms without."""
        plan = FORM_PLANS[form]
        target = self._folder / plan.file
        with self._progress.task(f"making {form}"):
            settings = self._write(form, target)
        backend = self._judge.load(target)
        judged = self._judge.judge(form, backend)
        search = None
        if not judged.accepted and plan.quantized:
            rescued = self._rescue(form, judged, max_drop)
            search = rescued[0]
            if rescued[1] is None:
                tried = max((step.kept for step in search.steps), default=0)
                judged = replace(
                    judged, reason=f"{judged.reason}; keeping up to {tried} products in float did not help"
                )
            else:
                self._scratch.replace(target)
                backend = self._judge.load(target)
                judged = rescued[1]
                settings["kept_in_float"] = search.kept
        isa = quantization_preset() if plan.has_isa else None
        record = self._judge.record(plan.file, backend, judged, isa, search=search, settings=settings)
        return record, backend

    def _write(self, form: str, target: Path, keep_float: Sequence[str] = ()) -> dict[str, Any]:
        if form == "fused":
            shutil.copy(self._fused, target)
            return {}
        return self._workshop.make(form, target, keep_float)

    def _rescue(self, form: str, before: Judged, max_drop: float) -> tuple[SensitivitySearch, Judged | None]:
        """Look for products to keep in float; the form's file is then the scratch file."""
        nodes = weighted_nodes(self._workshop.source(form))
        self._progress.say(f"{form}: {before.reason}; looking for products to keep in float")
        material = SearchMaterial(
            nodes,
            lambda target, kept: self._write(form, target, kept),
            self._judge.load,
            self._judge.reference,
            self._texts,
            self._scratch,
        )
        harm = rank(material, self._progress)
        steps, found, kept = [], None, []
        for tried, step in keep_more(material, list(harm), self._progress):
            steps.append(step)
            # No more accuracy can be lost than labels change.
            if 1 - step.agreement > max_drop:
                continue
            judged = self._judge.judge(form, self._judge.load(self._scratch))
            if judged.accepted:
                found, kept = judged, tried
                break
        search = SensitivitySearch(
            reviews=min(DECIDING_REVIEWS, len(self._texts)),
            divergence=harm,
            steps=steps,
            kept=kept,
            accuracy_before=float((before.logits.argmax(1) == self._judge.truth).mean()),
            reason_before=before.reason,
        )
        all_quantized = (
            f"all quantized: {100 * before.difference.difference:+.1f} points" if before.difference else ""
        )
        if found is not None:
            reason = f"{found.reason}, with {len(kept)} of {len(nodes)} products kept in float ({all_quantized})"
            found = replace(found, reason=reason)
        return search, found


def make_tfidf_form(material: Material, folder: Path, progress: Progress) -> MadeForms:
    """Copy the numpy form of the floor into a bundle folder and judge it against scikit-learn.

    Raises:
        SlmbenchError: It changes a label.
    """
    for name in _TFIDF_FILES:
        shutil.copy(material.model / name, folder)
    labels = material.run.predictions.labels
    configuration = {
        "model_type": "tfidf",
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    (folder / "config.json").write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
    backend = TfidfBackend(folder)
    items = backend.encode(material.corpus.test.texts)
    logits = form_logits(backend, items, progress, "checking the numpy form")
    parity = compare_logits("scikit-learn in fp64", material.logits, logits)
    accepted, reason = judge_reference(parity)
    if not accepted:
        raise SlmbenchError(f"fp32 of {material.run.name} is refused: {reason}")
    test = material.corpus.test
    record = FormRecord(
        file="tfidf.npz",
        bytes=(folder / "tfidf.npz").stat().st_size,
        sha256=sha256_of(folder / "tfidf.npz"),
        parity=parity,
        accepted=accepted,
        reason=reason,
        predictions=Predictions.of(labels, test.row_ids, test.labels, softmax(logits)),
        regime=REGIME,
    )
    manifest = manifest_of({REFERENCE: backend}, token_ids=False)
    return MadeForms({REFERENCE: record}, backend.lengths(items), manifest)


def _reference_record(material: Material, judge: Judge, fp32: Path) -> FormRecord:
    """Judge fp32 by the trained model's own answers."""
    logits = judge.take_reference(fp32)
    parity = compare_logits("the torch model in fp32", material.logits, logits)
    accepted, reason = judge_reference(parity)
    if not accepted:
        raise SlmbenchError(f"fp32 of {material.run.name} is refused: {reason}")
    judged = Judged(logits, parity, None, accepted, reason)
    return judge.record(FORM_PLANS[REFERENCE].file, judge.reference, judged)
