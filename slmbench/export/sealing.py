"""Answers of an accepted form to the confirmation rows, written sealed: nothing of the export looks at them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from slmbench.common.files import sha256_of, write_aside
from slmbench.common.progress import Progress
from slmbench.common.sole_writer import sole_writer
from slmbench.common.stages import stage
from slmbench.corpora import Split, load_again
from slmbench.corpora.sides import MIN_CONFIRMATION
from slmbench.edge.runtime import SIGNATURE, Backend, softmax
from slmbench.export.answering import WorkingForm, form_logits, release
from slmbench.export.manifest import write_bundle
from slmbench.export.numpy_forms import NUMPY_RUNTIMES, load_numpy
from slmbench.methods.runs.ancestry import recall
from slmbench.records import BundleRecord, FormRecord, Predictions, artefacts
from slmbench.records.predictions import REGIME, hash_rows
from slmbench.records.sealed_answers import FOLDER, SealedAnswers, seal_answers

#: Seconds that a form may take for its answers: 2,000 reviews at up to 60 ms each. A slower form answers fewer, the
#: first ones in the order of a hash, which are a random sample; never fewer than :data:`MIN_CONFIRMATION`.
MAX_SECONDS = 120.0


def with_sealed_answers(
    record: FormRecord, form: str, backend: Backend, rows: Split, folder: Path, progress: Progress
) -> FormRecord:
    """Let an accepted form answer confirmation rows, one at a time as the test rows were, and seal the answers.

    How many of the rows are answered depends on the time the first :data:`MIN_CONFIRMATION` took, never on an answer.

    Args:
        record: The form's record.
        form: Its name.
        backend: The form, loaded.
        rows: The confirmation rows that shaped nothing, labels as ids of the record's predictions.
        folder: The bundle's folder, where the sealed file is written.
        progress: Where to say how far it is.

    Returns:
        The record with what is known of the answers without reading them; as it was where the form is refused or
        there are too few rows.
    """
    if not record.accepted or len(rows) < MIN_CONFIRMATION:
        return record
    with stage("sealing"):
        return _sealed(record, form, backend, rows, folder, progress)


def seal_form(folder: Path, form: str, progress: Progress) -> BundleRecord:
    """Let an accepted form of a finished bundle answer the confirmation rows, where it has not done so.

    A bundle that is signed stays as it is.

    Args:
        folder: The bundle's folder; not that of a cascade.
        form: The form.
        progress: Where to say how far it is.

    Returns:
        The bundle's record, as it is on disk then.

    Raises:
        SlmbenchError: The bundle or its corpus cannot be read.
    """
    with sole_writer(folder, progress):
        bundle = artefacts.read(folder, BundleRecord)
        known = bundle.forms[form]
        has_rows, is_signed = bundle.corpus.confirmation_hash is not None, (folder / SIGNATURE).exists()
        if known.confirmation is not None or not known.accepted or not has_rows or is_signed:
            return bundle
        corpus = load_again(bundle.corpus.options, bundle.corpus.test_hash, progress=progress)
        rows = corpus.confirmation.without(recall(folder, bundle, progress).text_ids())
        file, is_numpy = folder / known.file, bundle.runtime in NUMPY_RUNTIMES
        backend = load_numpy(bundle.runtime, file) if is_numpy else WorkingForm(folder, file)
        record = with_sealed_answers(known, form, backend, rows, folder, progress)
        return write_bundle(bundle.model_copy(update={"forms": {**bundle.forms, form: record}}), folder)


def _sealed(
    record: FormRecord, form: str, backend: Backend, rows: Split, folder: Path, progress: Progress
) -> FormRecord:
    what = f"{form}: sealing answers for confirmation"
    items = backend.encode(rows.texts)
    began = time.perf_counter()
    logits = form_logits(backend, items[:MIN_CONFIRMATION], progress, what)
    taken = (time.perf_counter() - began) / len(logits)
    wanted = max(len(logits), min(len(items), int(MAX_SECONDS / taken)))
    if wanted > len(logits):
        logits = np.concatenate([logits, form_logits(backend, items[len(logits) : wanted], progress, what)])
    release(backend)
    row_ids = rows.row_ids[:wanted]
    answers = Predictions.of(record.predictions.labels, row_ids, rows.labels[:wanted], softmax(logits))
    file = folder / FOLDER / f"{form}.sealed"
    with write_aside(file) as aside:
        aside.write_bytes(seal_answers(answers))
    sealed = SealedAnswers(
        reviews=wanted,
        rows_hash=hash_rows(row_ids),
        confirmation_hash=hash_rows(rows.row_ids),
        digest=sha256_of(file),
        regime=REGIME,
        file=f"{FOLDER}/{file.name}",
    )
    return record.model_copy(update={"confirmation": sealed})
