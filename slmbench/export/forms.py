"""Making the forms of a run and judging each on the run's test reviews."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.edge.classifier import softmax
from slmbench.edge.onnx import OnnxBackend
from slmbench.edge.tfidf import TfidfBackend
from slmbench.errors import SlmbenchError
from slmbench.export.exporter import export_onnx, quantize_dynamic
from slmbench.export.isa import quantization_preset
from slmbench.export.parity import REGIME, compare_logits, form_logits
from slmbench.export.tokenizer import write_tokenizer
from slmbench.export.verdict import judge_form, judge_reference
from slmbench.files import sha256_of
from slmbench.records import FormRecord, Parity, Predictions
from slmbench.statistics import paired_difference

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from slmbench.corpora import Split
    from slmbench.edge.classifier import Backend
    from slmbench.progress import Progress
    from slmbench.records import RunRecord
    from slmbench.statistics import PairedDifference

#: Forms and their files, named as transformers.js and Optimum look for them.
FORMS = {"fp32": "onnx/model.onnx", "int8": "onnx/model_quantized.onnx"}
_TFIDF_FILES = ("tfidf.json", "tfidf.npz")


@dataclass(frozen=True)
class Material:
    """What forms are made of and judged on.

    Attributes:
        run: The run's record.
        model: Folder of the trained model.
        rows: The run's test rows.
        logits: The trained model's own logits on them, shape (rows, labels).
    """

    run: RunRecord
    model: Path
    rows: Split
    logits: np.ndarray


@dataclass(frozen=True)
class MadeForms:
    """The forms in a bundle, and the token lengths of the test rows."""

    records: dict[str, FormRecord]
    tokens: list[int]


def make_onnx_forms(
    material: Material, wanted: list[str], folder: Path, max_drop: float, progress: Progress
) -> MadeForms:
    """Write ONNX forms into a bundle folder and judge them.

    Args:
        material: The run.
        wanted: Forms to keep; fp32 is made in any case, as the reference.
        folder: The bundle's folder.
        max_drop: Largest accepted loss of accuracy against fp32, as a fraction.
        progress: Where to say how far it is.

    Raises:
        SlmbenchError: The architecture cannot be exported, or fp32 changes a label.
    """
    write_tokenizer(material.model, folder, material.run.max_length)
    shutil.copy(material.model / "config.json", folder)
    with progress.task("exporting to ONNX"):
        export_onnx(material.model, folder / FORMS["fp32"])
    backend = OnnxBackend(folder, folder / FORMS["fp32"], None)
    fp32 = form_logits(backend, material.rows.texts, progress, "checking fp32")
    parity = compare_logits("the torch model in fp32", material.logits, fp32)
    accepted, reason = judge_reference(parity)
    if not accepted:
        raise SlmbenchError(f"fp32 of {material.run.name} is refused: {reason}")
    records = {"fp32": _record(material, folder, "fp32", fp32, parity, accepted, reason)}
    if "int8" in wanted:
        preset = quantization_preset()
        with progress.task(f"quantizing to int8 ({preset})"):
            quantize_dynamic(folder / FORMS["fp32"], folder / FORMS["int8"], preset)
        int8 = form_logits(
            OnnxBackend(folder, folder / FORMS["int8"], None), material.rows.texts, progress, "checking int8"
        )
        parity = compare_logits("fp32", fp32, int8)
        truth = material.rows.labels
        loss = paired_difference(fp32.argmax(1) == truth, int8.argmax(1) == truth)
        accepted, reason = judge_form(parity, loss, max_drop)
        records["int8"] = _record(material, folder, "int8", int8, parity, accepted, reason, preset, loss)
    tokens = _lengths(backend, material.rows.texts)
    if "fp32" not in wanted:
        (folder / FORMS["fp32"]).unlink()
        del records["fp32"]
    return MadeForms(records, tokens)


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
    logits = form_logits(backend, material.rows.texts, progress, "checking the numpy form")
    parity = compare_logits("scikit-learn in fp64", material.logits, logits)
    accepted, reason = judge_reference(parity)
    if not accepted:
        raise SlmbenchError(f"fp32 of {material.run.name} is refused: {reason}")
    record = FormRecord(
        file="tfidf.npz",
        bytes=(folder / "tfidf.npz").stat().st_size,
        sha256=sha256_of(folder / "tfidf.npz"),
        parity=parity,
        accepted=accepted,
        reason=reason,
        predictions=_predictions(material, logits),
        regime=REGIME,
    )
    return MadeForms({"fp32": record}, _lengths(backend, material.rows.texts))


def _record(
    material: Material,
    folder: Path,
    form: str,
    logits: np.ndarray,
    parity: Parity,
    accepted: bool,
    reason: str,
    isa: str | None = None,
    difference: PairedDifference | None = None,
) -> FormRecord:
    path = folder / FORMS[form]
    return FormRecord(
        file=FORMS[form],
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        parity=parity,
        accepted=accepted,
        reason=reason,
        predictions=_predictions(material, logits),
        regime=REGIME,
        isa=isa,
        difference_to_fp32=difference,
    )


def _predictions(material: Material, logits: np.ndarray) -> Predictions:
    return Predictions.of(
        material.run.predictions.labels, material.rows.row_ids, material.rows.labels, softmax(logits)
    )


def _lengths(backend: Backend, texts: list[str]) -> list[int]:
    return backend.lengths(backend.encode(texts))
