"""Cross-validation: a run for each fold, and one record of what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.files import build_aside, content_key
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import load_corpus
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.methods.method import Method
from slmbench.methods.options import MethodOptions
from slmbench.methods.runs import default_folder, make_run
from slmbench.records import CrossValidationRecord, Fold, Predictions, RunRecord, artefacts, write_record
from slmbench.records.base import finished_record


def cross_validate(
    method: Method,
    model: str,
    corpus: str,
    options: MethodOptions,
    *,
    folds: int = 5,
    reading: Mapping[str, Any] | None = None,
    output: Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> CrossValidationRecord:
    """Test every review once, with a classifier trained on the other folds.

    The folder holds ``cross_validation.json``, the record. The runs lie beside it, in folders that end in ``-fold1``,
    ``-fold2``, …; those that are already there, made from the same inputs, are not made again.

    Args:
        method: The method.
        model: Folder, run, starter item or hub name; ignored by a method that takes no model.
        corpus: Name or path, as for :func:`slmbench.corpora.load_corpus`.
        options: What was chosen.
        folds: Number of folds, at least 2.
        reading: Other keyword arguments of :func:`slmbench.corpora.load_corpus`, such as ``text_column``.
        output: The folder; ``runs/MODEL-METHOD-CORPUS-5folds`` when not given.
        name: What tables call it; the folder's name when not given.
        command: The command line, for the record.
        progress: Where progress is reported.

    Returns:
        The record.

    Raises:
        UsageError: An option does not fit the model or the corpus, or the folder holds something else.
        SlmbenchError: The corpus has test rows of its own, or a run cannot be made.
    """
    model = model if method.takes_model else method.name
    sides = [
        load_corpus(corpus, **(reading or {}), folds=folds, fold=fold, announce=fold == 1, progress=progress)
        for fold in range(1, folds + 1)
    ]
    # The first fold has everything that the others depend on: what it trains on, and what is left to them.
    key = content_key(
        stage="cross_validation/1", folds=folds, first=method.prepare(model, sides[0], options, progress).key
    )
    default = default_folder(model, sides[0].name, options.seed, *method.folder_words(options))
    default = default.with_name(f"{default.name}-{folds}folds")
    with artefacts.claimed_place(default, output, CrossValidationRecord, key, progress) as folder:
        if done := finished_record(CrossValidationRecord, folder / CrossValidationRecord.file, key):
            progress.say(f"{folder} is up to date: made from the same inputs")
            return done
        runs = []
        for number, side in enumerate(sides, 1):
            progress.say(f"fold {number} of {folds}: {len(side.test):,} test reviews")
            place = folder.with_name(f"{folder.name}-fold{number}")
            runs.append(make_run(method, model, side, options, output=place, command=command, progress=progress))
        shared = {name: value for name, value in sides[0].options.items() if name != "fold"}
        record = CrossValidationRecord(
            name=name or folder.name,
            path=str(folder),
            key=key,
            command=list(command),
            model=model,
            method=method.name,
            seed=options.seed,
            corpus=sides[0].name,
            corpus_options=shared,
            hyperparameters=runs[0].hyperparameters,
            folds=[_fold(run) for run in runs],
            predictions=_together([run.predictions for run in runs]),
            notes=_notes_of([run.notes for run in runs]),
            hardware=hardware_fingerprint(),
            software=software_versions(),
        )
        with build_aside(folder) as building:
            write_record(record, building / CrossValidationRecord.file)
        progress.say(f"cross-validation in {folder}")
        return record


def _fold(run: RunRecord) -> Fold:
    return Fold(
        run=run.path,
        key=run.key,
        train_reviews=run.corpus.train_reviews + run.corpus.validation_reviews,
        test_reviews=run.corpus.test_reviews,
        accuracy=run.test.accuracy,
        macro_f1=run.test.macro_f1,
    )


def _notes_of(folds: Sequence[Sequence[str]]) -> list[str]:
    """Return the notes of all folds; one that does not hold for every fold names its fold."""
    shared = [note for note in folds[0] if all(note in notes for notes in folds)]
    return shared + [
        f"fold {number}: {note}" for number, notes in enumerate(folds, 1) for note in notes if note not in shared
    ]


def _together(parts: Sequence[Predictions]) -> Predictions:
    """Return the predictions of all folds as one."""
    starts = np.cumsum([0, *(len(part.truth) for part in parts)])
    return Predictions.of(
        parts[0].labels,
        [row_id for part in parts for row_id in part.row_ids],
        [label for part in parts for label in part.truth],
        np.concatenate([np.asarray(part.probabilities) for part in parts]),
        [int(start) + row for start, part in zip(starts, parts, strict=False) for row in part.abstained],
    )
