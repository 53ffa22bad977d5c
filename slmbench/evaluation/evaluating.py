"""The ``evaluate`` stage: a trained classifier and reviews in, an evaluation folder with its record out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import build_aside, content_key
from slmbench.common.formatting import listing
from slmbench.common.places import EVALUATIONS
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import Split, corpus_available, load_again, load_for_testing
from slmbench.evaluation.subject import Subject, open_subject
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.methods.runs.ancestry import recall
from slmbench.records import CorpusIdentity, EvaluationRecord, Predictions, artefacts, write_record
from slmbench.records.ancestors import overlap_sentence, unknown_owners
from slmbench.records.base import finished_record


@dataclass(frozen=True)
class _Reviews:
    """What a subject is scored on; ``rows`` is ``None`` for its own test rows, whose answers are recorded."""

    identity: CorpusIdentity
    rows: Split | None = None
    label_map: dict[str, str] = field(default_factory=dict)
    left_out: int | None = None
    notes: list[str] = field(default_factory=list)


def evaluate(
    subject: Subject | str | Path,
    corpus: str | None = None,
    *,
    form: str | None = None,
    label_map: Mapping[str, str] | None = None,
    output: str | Path | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    **reading: Any,
) -> EvaluationRecord:
    """Score a run or a bundle on its own test rows or on another corpus; nothing is trained.

    On its own test rows nothing is run either: its record has the answers. The folder made holds ``evaluation.json``,
    the record; ``slmbench.report.draw_evaluation`` adds a plot.

    Args:
        subject: Folder of a run or bundle, or :func:`slmbench.evaluation.open_subject` of it.
        corpus: Reviews to score it on, all of them, by name or path; its own test rows when not given. Those that it,
            its base, teacher or members were trained on are left out, as far as they are known.
        form: Form of a bundle; the smallest accepted one when not given.
        label_map: Which of the classifier's labels a label of the corpus stands for.
        output: The folder; ``evaluations/SUBJECT`` or ``evaluations/SUBJECT-on-CORPUS`` when not given.
        command: The command line, for the record.
        progress: Where progress is reported.
        **reading: Other keyword arguments of :func:`slmbench.corpora.load_for_testing`, such as ``test_size`` and
            ``text_column``.

    Returns:
        The record; an evaluation of the same weights on the same reviews that is already there is returned as it is.

    Raises:
        UsageError: There is no run or bundle, no such form or corpus, a label of the corpus is unknown to the
            classifier, the output folder holds something else, or options of a corpus are given without one.
        SlmbenchError: A record is damaged, the classifier was trained on its own test reviews, others cannot be read,
            a library is missing, or the classifier answers with NaN.
    """
    if not isinstance(subject, Subject):
        subject = open_subject(Path(subject), form)
    if corpus is None:
        if label_map or reading:
            named = [*reading, "label_map"] if label_map else list(reading)
            raise UsageError(f"{listing(named)} cannot be given without a corpus: name one, or leave out the rest")
        if overlap := overlap_sentence(subject.record.ancestors or ()):
            raise SlmbenchError(
                f"{subject.folder} cannot be scored on its own test reviews: {overlap}; name a --corpus"
            )
        reviews = _Reviews(subject.corpus)
    else:
        subject.check_can_answer()
        reviews = _other_reviews(subject, corpus, dict(label_map or {}), reading, progress)
    return _evaluated(subject, reviews, None if output is None else Path(output), command, progress)


def _evaluated(
    subject: Subject, reviews: _Reviews, output: Path | None, command: Sequence[str], progress: Progress
) -> EvaluationRecord:
    own = reviews.rows is None
    file = EvaluationRecord.file
    key = content_key(
        stage="evaluation/1",
        weights=subject.weights_sha256,
        form=subject.form,
        labels=subject.labels,
        test=reviews.identity.test_hash,
        own_rows=own,
        label_map=reviews.label_map,
        left_out=reviews.left_out,
    )
    default = _default_folder(subject, None if own else reviews.identity.name)
    with artefacts.claimed_place(default, output, EvaluationRecord, key, progress) as folder:
        done = finished_record(EvaluationRecord, folder / file, key)
        if done:
            progress.say(f"{folder} is already there: same weights, same reviews")
            # The folder may have been moved since.
            return done.model_copy(update={"path": str(folder)})
        predictions, seconds = _answers(subject, reviews.rows, progress)
        with build_aside(folder) as building:
            record = EvaluationRecord(
                name=folder.name,
                path=str(folder),
                key=key,
                command=list(command),
                subject=subject.kind,
                subject_name=subject.record.name,
                subject_path=str(subject.folder),
                form=subject.form,
                weights_sha256=subject.weights_sha256,
                model=subject.record.model,
                method=subject.record.method,
                trained_on=subject.corpus.name,
                train_hash=subject.corpus.train_hash,
                own_rows=own,
                corpus=reviews.identity,
                label_map=reviews.label_map,
                training_rows_left_out=reviews.left_out,
                predictions=predictions,
                seconds=seconds,
                regime=subject.regime,
                notes=[*subject.notes, *reviews.notes, *reviews.identity.notes, *_notes_on(predictions)],
                hardware=hardware_fingerprint(),
                software=software_versions(),
            )
            write_record(record, building / file)
        progress.say(f"evaluation in {folder}")
        return record


def _other_reviews(
    subject: Subject, corpus: str, label_map: dict[str, str], reading: dict[str, Any], progress: Progress
) -> _Reviews:
    ancestry = recall(subject.folder, subject.record, progress)
    loaded, left_out = load_for_testing(
        corpus,
        subject.labels,
        label_map=label_map,
        leave_out=ancestry.text_ids(),
        set_aside=_set_aside(subject.corpus),
        trained_text=subject.corpus.columns.get("text"),
        progress=progress,
        **reading,
    )
    own_unknown = any(fact.rows is None and not fact.through for fact in ancestry.facts)
    notes = []
    if own_unknown:
        notes.append(
            f"{subject.corpus.name}, which the {subject.kind} was trained on, is no longer available unchanged:"
            " whether it was trained on some of these reviews is unknown"
        )
    if unknown := unknown_owners(fact for fact in ancestry.facts if fact.through):
        notes.append(f"the training texts of {listing(unknown)} are unknown: some of these reviews may be among them")
    return _Reviews(loaded.identity(), loaded.test, label_map, None if own_unknown else left_out, notes)


def _set_aside(identity: CorpusIdentity) -> set[str]:
    """Return the text hashes of a classifier's confirmation rows, where its corpus is still here."""
    if not corpus_available(identity.options):
        return set()
    try:
        corpus = load_again(identity.options, identity.test_hash)
    except SlmbenchError:
        return set()
    return {row_id.partition(":")[0] for row_id in corpus.confirmation.row_ids}


def _answers(subject: Subject, rows: Split | None, progress: Progress) -> tuple[Predictions, float | None]:
    """Return the predictions for the rows, and the seconds they took where that is known."""
    if rows is None:
        run = subject.run
        return subject.predictions, run.answering.seconds if run and run.answering else None
    classify = subject.load()
    began = time.perf_counter()
    probabilities = classify(rows.texts, progress)
    seconds = time.perf_counter() - began
    if not np.isfinite(probabilities).all():
        raise SlmbenchError(f"{subject.folder} answers with NaN or infinity")
    return Predictions.of(subject.labels, rows.row_ids, rows.labels, probabilities), seconds


def _notes_on(predictions: Predictions) -> list[str]:
    there = set(predictions.truth)
    missing = [label for number, label in enumerate(predictions.labels) if number not in there]
    notes = [f"no review is labelled {', '.join(missing)}: macro-F1 counts 0 for that"] if missing else []
    return [*notes, *filter(None, [predictions.evaluate().one_answer_sentence])]


def _default_folder(subject: Subject, corpus: str | None) -> Path:
    parts = [subject.folder.resolve().name, *([subject.form] if subject.form else [])]
    if corpus is not None:
        parts += ["on", Path(corpus).name.split(".")[0]]
    return EVALUATIONS / "-".join(parts).lower()
