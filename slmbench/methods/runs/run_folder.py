"""From a method to a run folder with its record; a run made from the same inputs before is returned as it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import build_aside, content_key, sha256_of
from slmbench.common.places import RUNS
from slmbench.common.progress import SILENT, Progress
from slmbench.common.stages import stage
from slmbench.corpora import Corpus
from slmbench.corpora.near_duplicates import find_near_duplicates, near_duplicates_note
from slmbench.edge.runtime import not_finite, softmax
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.methods.method import Method
from slmbench.methods.options import DEFAULT_SEED, MethodOptions
from slmbench.methods.outcome import NO_TRAINING, Outcome, training_cost
from slmbench.methods.runs.ancestry import ancestry_of, unknown_sentence
from slmbench.methods.runs.card import write_card
from slmbench.models.quiet import quiet_libraries
from slmbench.records import CorpusIdentity, Predictions, RunRecord, Truncation, artefacts, write_record
from slmbench.records.base import finished_record

#: Fields of an outcome that become the run's predictions.
_PREDICTED = ("logits", "abstained")


def make_run(
    method: Method,
    model: str,
    corpus: Corpus,
    options: MethodOptions,
    *,
    output: Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> RunRecord:
    """Make a run folder, or find it made from the same inputs.

    The folder holds ``run.json`` (the record), ``ancestors.npz`` (the reviews that shaped it), ``test_logits.npy``
    (fp32, one row a test review), ``README.md`` (the model card) and, where the method has a model of its own,
    ``model/``.

    Args:
        method: The method.
        model: Folder, run, starter item or hub name; ignored by a method that takes no model.
        corpus: The reviews.
        options: What was chosen.
        output: The run folder; ``runs/MODEL-METHOD-CORPUS`` when not given, with a suffix where that holds a run of
            other inputs.
        name: What tables call the run; the folder's name when not given.
        command: The command line, for the record.
        progress: Where progress is reported.

    Returns:
        The record.

    Raises:
        UsageError: An option does not fit the model or the corpus, or the folder holds something else.
        SlmbenchError: A library is missing, the model cannot be had, training failed, the saved model is not the
            trained one, or a test review shaped the base or the teacher.
    """
    model = model if method.takes_model else method.name
    default = default_folder(model, corpus.name, options.seed, *method.folder_words(options))
    prepared = method.prepare(model, corpus, options, progress)
    with artefacts.claimed_place(default, output, RunRecord, prepared.key, progress) as folder:
        ancestry = ancestry_of(name or folder.name, method, model, corpus, options, progress)
        if done := _finished_run(folder, prepared.key):
            prepared.clean_up(folder)  # a process that was killed had no time for it
            progress.say(f"{folder} is up to date: made from the same inputs")
            return done
        identity = _identity(corpus, progress)
        with build_aside(folder) as building:
            start = time.perf_counter()
            with quiet_libraries(), stage("training"):
                outcome = prepared.run(building, folder, progress)
            seconds = time.perf_counter() - start
            probabilities = softmax(outcome.logits)
            if len(wrong := not_finite(probabilities)):
                raise SlmbenchError(
                    f"the model answers {len(wrong)} of {len(probabilities)} test reviews with NaN or infinity: its"
                    " weights are damaged, or too large for the arithmetic"
                )
            np.save(building / "test_logits.npy", outcome.logits)
            facts = {one.name: getattr(outcome, one.name) for one in fields(outcome) if one.name not in _PREDICTED}
            truncation = _truncation(building / "model", corpus.test.texts, outcome)
            if truncation and (sentence := truncation.sentence()):
                progress.say(sentence)
            predictions = Predictions.of(
                corpus.label_names,
                corpus.test.row_ids,
                corpus.test.labels,
                probabilities,
                outcome.abstained,
            )
            sentences = (predictions.evaluate().one_answer_sentence, unknown_sentence(ancestry))
            facts["notes"] = [*outcome.notes, *filter(None, sentences)]
            filled_in = {
                "model": model,
                "architecture": method.name,
                "weights_sha256": _hash_of(building / "model"),
                "hyperparameters": options.hyperparameters(),
                "parameters_without_embeddings": outcome.total_parameters,
                "train": training_cost(seconds, len(corpus.train)) if outcome.trainable_parameters else NO_TRAINING,
            }
            record = RunRecord(
                **{**facts, **{name: fact for name, fact in filled_in.items() if facts[name] is None}},
                name=name or folder.name,
                path=str(folder),
                key=prepared.key,
                command=list(command),
                method=method.name,
                seed=options.seed,
                truncation=truncation,
                corpus=identity,
                ancestors=list(ancestry.facts),
                predictions=predictions,
                hardware=hardware_fingerprint(),
                software=software_versions(),
            )
            ancestry.save(building)
            write_card(record, building / "README.md")
            write_record(record, building / RunRecord.file)
        prepared.clean_up(folder)
        took = record.answering.seconds if record.answering else record.train.seconds
        progress.say(f"run in {folder}, {'answered' if record.answering else 'trained'} in {took:.1f} s")
        return record


def _identity(corpus: Corpus, progress: Progress) -> CorpusIdentity:
    """Return which reviews these are, and how many of the test reviews are almost the same as a training review."""
    found = find_near_duplicates(corpus, progress)
    identity = corpus.identity().model_copy(update={"near_duplicates": found})
    note = near_duplicates_note(found)
    if note is None:
        return identity
    progress.say(f"{corpus.name}: {note}")
    return identity.model_copy(update={"notes": [*identity.notes, note]})


def default_folder(model: str, corpus: str, seed: int, *words: str) -> Path:
    """Return the default folder of a run.

    Args:
        model: The model's name or folder.
        corpus: The corpus's name or file.
        seed: Mentioned when it is not the default.
        *words: What distinguishes the run: method, layers, shots.
    """
    parts = [Path(model).name, *words, Path(corpus).name.split(".")[0]]
    if seed != DEFAULT_SEED:
        parts.append(f"seed{seed}")
    return RUNS / "-".join(parts).lower()


def _truncation(model: Path, texts: Sequence[str], outcome: Outcome) -> Truncation | None:
    """Count the texts and tokens that are cut off, special ones included; ``None`` where nothing is tokenized."""
    if outcome.max_length is None or not (model / "tokenizer.json").is_file():
        return None
    from tokenizers import Tokenizer

    long_texts = (outcome.hyperparameters or {}).get("long_texts", "head")
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
    cut = [length - outcome.max_length for length in lengths if length > outcome.max_length]
    return Truncation(
        max_length=outcome.max_length,
        reviews=len(lengths),
        cut_reviews=len(cut),
        tokens=sum(lengths),
        cut_tokens=0 if long_texts == "windows" else sum(cut),
        long_texts=long_texts,
    )


def _hash_of(folder: Path) -> str:
    """Return the hash of the names and contents of all files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return content_key(**{path.relative_to(folder).as_posix(): sha256_of(path) for path in files})


def _finished_run(folder: Path, key: str) -> RunRecord | None:
    """Return the run in a folder when it was made from the same inputs and no file is missing."""
    record = finished_record(RunRecord, folder / RunRecord.file, key)
    if record is None:
        return None
    complete = (folder / "model").is_dir() or not record.has_model
    return record if complete and (folder / "test_logits.npy").is_file() else None
