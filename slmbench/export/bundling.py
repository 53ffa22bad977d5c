"""The ``export`` stage: run folder in, bundle folder and record out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.files import build_aside, content_key, folder_bytes, write_atomically
from slmbench.common.places import BUNDLES
from slmbench.common.progress import SILENT, Progress
from slmbench.common.templates import render_markdown
from slmbench.corpora import Split, load_again, stream_texts
from slmbench.corpora.splitting import draw_key
from slmbench.edge.runtime import NUMPY_BACKENDS, numpy_runtime
from slmbench.export.forms import (
    CALIBRATIONS,
    DEFAULT_CALIBRATION,
    DEFAULT_FORMS,
    DEFAULT_MAX_ACCURACY_DROP,
    FORMS,
    REFERENCE,
    Calibration,
)
from slmbench.export.guard import LossLimits
from slmbench.export.manifest import MANIFEST_TEXTS, write_bundle
from slmbench.export.numpy_forms import NUMPY_RUNTIMES
from slmbench.export.run_forms import MadeForms
from slmbench.export.sealing import seal_form
from slmbench.export.signing import private_key, write_signature
from slmbench.instruments.hardware import hardware_fingerprint, quantization_preset, software_versions
from slmbench.methods.runs.ancestry import checked, recall
from slmbench.methods.runs.card import how_made, hub_licence, learned_from
from slmbench.records import BundleRecord, RunRecord, WorkloadLengths, artefacts
from slmbench.records.ancestors import Ancestry
from slmbench.records.base import finished_record
from slmbench.records.bundle import TokenizerInside
from slmbench.records.sealed_answers import FOLDER as SEALED


def export(
    run: str | Path,
    *,
    forms: Sequence[str] = DEFAULT_FORMS,
    max_accuracy_drop: float = DEFAULT_MAX_ACCURACY_DROP,
    max_class_drop: float | None = None,
    accept_undecided: bool = False,
    calibration: Calibration = DEFAULT_CALIBRATION,
    with_tokenizer: bool = False,
    sign: str | Path | None = None,
    seal: bool = True,
    output: str | Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> BundleRecord:
    """Export a run as a bundle and check every form on the run's test reviews.

    What numpy runs has forms of its own (:mod:`slmbench.export.numpy_forms`): of TF-IDF ``fp32``, of a static model
    ``fp32`` and ``int8``.

    Args:
        run: The run folder.
        forms: Names of the forms wanted, of ``slmbench.export.FORMS``.
        max_accuracy_drop: Largest loss of accuracy against fp32 that is accepted, as a fraction.
        max_class_drop: Largest loss of a label's recall that is accepted, as a fraction; ten times
            ``max_accuracy_drop`` when not given (see ``slmbench.export.guard``).
        accept_undecided: Accept forms also where the test reviews are too few to show either.
        calibration: How the ranges of static int8 are found.
        with_tokenizer: Also write the smallest accepted form with the tokenizer inside: text in, label out.
        sign: PEM file of a private Ed25519 key that signs the bundle; see ``slmbench.export.signing``.
        seal: Let every accepted form answer the confirmation rows; otherwise
            :func:`slmbench.export.sealing.seal_form` does it for those that are wanted.
        output: The bundle folder; ``exported/RUN`` when not given.
        name: What tables call the bundle; the folder's name when not given.
        command: The command line, for the record.
        progress: Where to say how far it is.

    Returns:
        The record; a finished bundle of the same run and options is returned as it is.

    Raises:
        UsageError: There is no such run, form or key, or an option is out of its range.
        SlmbenchError: The run is damaged, its corpus has changed, fp32 changes a label of the trained model, a form
            cannot be made, or an extra is not installed.
    """
    run = Path(run)
    signing = private_key(sign) if sign is not None else None
    record = artefacts.read(run, RunRecord)
    wanted = list(dict.fromkeys(forms))
    limits = LossLimits(max_accuracy_drop, max_class_drop, accept_undecided)
    _check(wanted, limits, calibration)
    runtime = numpy_runtime(run / "model")
    if runtime:
        called, has = NUMPY_BACKENDS[runtime].called, list(NUMPY_RUNTIMES[runtime].forms)
        others = [form for form in wanted if form not in has]
        if others and wanted != list(DEFAULT_FORMS):
            progress.say(f"{record.name} is {called}, which has {' and '.join(has)}: {', '.join(others)} not made")
        wanted = [form for form in wanted if form in has] or [REFERENCE]
    if with_tokenizer and runtime:
        raise UsageError(f"--with-tokenizer: a {called} run has no ONNX graph to put a tokenizer into")
    if with_tokenizer and (how := record.hyperparameters.get("long_texts")):
        raise UsageError(f"--with-tokenizer: the tokenizer inside a graph cannot read long texts by {how}")
    if with_tokenizer:
        require_extra("onnxruntime_extensions", "text", "putting the tokenizer inside the model")
    needs = NUMPY_RUNTIMES[runtime].needs if runtime else [FORMS[form].needs for form in (REFERENCE, *wanted)]
    for module, extra in needs:
        require_extra(module, extra, "exporting")
    calibrated = not runtime and any(FORMS[form].calibrated for form in wanted)
    texts = _texts_without_labels(calibration, record, progress) if calibrated and calibration.corpus else None
    key = content_key(
        stage="export/3",
        run=record.key,
        forms=wanted,
        preset=quantization_preset(),
        limits=asdict(limits),
        calibration=_calibration_facts(calibration, texts) if calibrated else None,
        with_tokenizer=with_tokenizer,
        **({"confirmation": sealed} if (sealed := record.corpus.confirmation_hash) else {}),
    )
    chosen = Path(output) if output else None
    with artefacts.claimed_place(BUNDLES / record.name, chosen, BundleRecord, key, progress) as folder:
        if done := finished_bundle(folder, key):
            progress.say(f"{folder} is already there, made from the same run and options")
            for form in done.forms if seal else ():
                done = seal_form(folder, form, progress)
            if signing is not None:
                write_signature(folder, signing)
            return done

        from slmbench.export.run_forms import RunData, make_numpy_forms, make_onnx_forms

        corpus = load_again(record.corpus.options, record.corpus.test_hash, progress=progress)
        training = corpus.train.row_ids[: calibration.reviews] if calibrated else []
        ancestry = recall(run, record, progress).joined(
            Ancestry.of("calibration", record.name, training if texts is None else list(texts))
        )
        ancestry = checked(ancestry, corpus.test.row_ids, record.name, "train it again")
        confirming = corpus.confirmation.without(ancestry.text_ids(), None if seal else 0)
        corpus = replace(corpus, confirmation=confirming)
        chosen_texts = corpus.train.texts[: calibration.reviews] if texts is None else list(texts.values())
        data = RunData(record, run / "model", corpus, _reference_logits(run, record), chosen_texts)
        with build_aside(folder) as building:
            made = (
                make_numpy_forms(data, runtime, wanted, building, limits, progress)
                if runtime
                else make_onnx_forms(data, wanted, building, limits, calibration, progress)
            )
            inside = _put_tokenizer_inside(building, made, corpus.test, progress) if with_tokenizer else None
            bundle = BundleRecord(
                name=name or folder.name,
                path=str(folder),
                key=key,
                command=list(command),
                model=record.model,
                method=record.method,
                run=record.name,
                run_key=record.key,
                runtime=runtime or "onnx",
                architecture=record.architecture,
                labels=record.predictions.labels,
                max_length=record.max_length,
                long_texts=record.hyperparameters.get("long_texts", "head"),
                total_parameters=record.total_parameters,
                parameters_without_embeddings=record.parameters_without_embeddings,
                base_license=record.base_license,
                corpus=record.corpus,
                trained_as=record.trained_as,
                ancestors=list(ancestry.facts),
                truncation=record.truncation,
                lengths=WorkloadLengths(test_hash=record.corpus.test_hash, tokens=made.tokens),
                forms=made.records,
                shared_bytes=folder_bytes(building)
                - sum(form.bytes for form in made.records.values())
                - ((inside and inside.bytes) or 0)
                - folder_bytes(building / SEALED),
                with_tokenizer=inside,
                hardware=hardware_fingerprint(),
                software=software_versions(),
                manifest=made.manifest,
            )
            ancestry.save(building)
            _write_card(bundle, record, building / "README.md")
            bundle = write_bundle(bundle, building)
            if signing is not None:
                write_signature(building, signing)
        progress.say(f"bundle in {folder}")
        return bundle


def _check(wanted: Sequence[str], limits: LossLimits, calibration: Calibration) -> None:
    """Check the options.

    Raises:
        UsageError: A form or a method of calibration is unknown, or a number is out of its range.
    """
    for form in wanted:
        FORMS[form]
    if not wanted:
        raise UsageError("name at least one --form")
    for option, value in (("--max-accuracy-drop", limits.accuracy), ("--max-class-drop", limits.per_class)):
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"{option} {value}: give a fraction between 0 and 1")
    if calibration.method not in CALIBRATIONS:
        raise UsageError(f"--calibration {calibration.method}: choose among {', '.join(CALIBRATIONS)}")
    if calibration.reviews < 1:
        raise UsageError(f"--calibration-reviews {calibration.reviews}: at least one review is needed")


def _texts_without_labels(calibration: Calibration, run: RunRecord, progress: Progress) -> dict[str, str]:
    """Return texts to find ranges on, by row id: drawn by their hashes, none of them a test review of the run.

    Raises:
        UsageError: There is no such corpus, or it has no other text.
    """
    tested = {row_id.partition(":")[0] for row_id in run.predictions.row_ids}
    drawn: dict[int, tuple[str, str]] = {}
    for text, digest, _ in stream_texts(str(calibration.corpus), progress=progress):
        if (row_id := digest[:8].hex()) not in tested:
            drawn[draw_key(digest)] = (row_id, text)
        if len(drawn) > 2 * calibration.reviews:  # memory for the texts drawn, however many there are
            drawn = dict(sorted(drawn.items())[: calibration.reviews])
    if not drawn:
        raise UsageError(f"--calibration-corpus {calibration.corpus} has no text beside test reviews of the run")
    return dict(pair for _, pair in sorted(drawn.items())[: calibration.reviews])


def _calibration_facts(calibration: Calibration, texts: dict[str, str] | None) -> dict[str, Any]:
    """Return what a key holds of a calibration: of further texts which they are, and not where they lie."""
    facts = {"method": calibration.method, "reviews": calibration.reviews}
    return facts if texts is None else {**facts, "texts": sorted(texts)}


def finished_bundle(folder: Path, key: str) -> BundleRecord | None:
    """Return the bundle in a folder when it was made from the same run and options and is complete.

    Args:
        folder: The bundle's folder.
        key: Hash of the run and the options.
    """
    record = finished_record(BundleRecord, folder / BundleRecord.file, key)
    if record is None:
        return None
    files = {folder / name: entry.bytes for name, entry in record.manifest.files.items()}
    whole = all(path.is_file() and path.stat().st_size == size for path, size in files.items())
    return record if whole else None


def _help_of(runtime: str, form: str) -> str:
    return NUMPY_RUNTIMES[runtime].forms[form].help if runtime in NUMPY_RUNTIMES else FORMS[form].help


def _write_card(bundle: BundleRecord, run: RunRecord, path: Path) -> None:
    """Write the model card, with the hub's metadata block."""
    text = render_markdown(
        "slmbench.export",
        "card.md",
        bundle=bundle,
        run=run,
        test=run.test,
        form_help={name: _help_of(bundle.runtime, name) for name in bundle.forms},
        made=how_made(run),
        learned=learned_from(run),
        hub_licence=hub_licence(bundle.base_license),
    )
    write_atomically(path, text)


def _put_tokenizer_inside(building: Path, made: MadeForms, rows: Split, progress: Progress) -> TokenizerInside | None:
    from slmbench.export.with_tokenizer import add_tokenizer

    accepted = [form for form in made.records.values() if form.accepted]
    if not accepted:
        progress.say("no form is accepted, so none is written with the tokenizer inside")
        return None
    form = min(accepted, key=lambda form: form.bytes)
    reviews = dict(zip(rows.row_ids, rows.texts, strict=True))
    inside = add_tokenizer(building, form.file, texts=dict(MANIFEST_TEXTS), reviews=reviews, progress=progress)
    progress.say(f"tokenizer inside: {inside.reason}")
    for text in inside.differing:
        progress.say(f"  {text.name}: {text.what}")
    return inside


def _reference_logits(run: Path, record: RunRecord) -> np.ndarray:
    try:
        logits = np.load(run / "test_logits.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise SlmbenchError(f"{run}/test_logits.npy is missing or damaged: remove {run} and train it again") from None
    if logits.shape != (len(record.predictions.row_ids), len(record.predictions.labels)):
        raise SlmbenchError(f"{run}/test_logits.npy does not belong to run.json: remove {run} and train it again")
    return logits
