"""From a way of making a classifier to a run folder: made once, beside its place, with its record."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.files import build_aside, check_place
from slmbench.common.places import RUNS
from slmbench.common.progress import SILENT
from slmbench.edge.runtime import softmax
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.methods.runs.card import write_card
from slmbench.models.quiet import quiet_libraries
from slmbench.records import Predictions, RunRecord, write_record
from slmbench.records.base import finished_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.runs.outcome import Making

#: Fields of an outcome that become the run's predictions.
_ANSWERS = ("logits", "abstained")
#: The seed that folder names do not mention.
USUAL_SEED = 42


def make_run(
    making: Making,
    corpus: Corpus,
    *,
    method: str,
    seed: int,
    folder: Path,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> RunRecord:
    """Make a run folder, or find it made from the same inputs.

    The folder holds ``run.json`` (the record), ``test_logits.npy`` (fp32, one row a test review), ``README.md`` (the
    model card) and, where the method has a model of its own, ``model/``.

    Args:
        making: The method, its choices settled.
        corpus: The reviews.
        method: Its name in the record.
        seed: Seed of everything random.
        folder: The run folder.
        name: What tables call the run; the folder's name when not given.
        command: The command line, for the record.
        progress: Where to say how far it is.

    Returns:
        The record.

    Raises:
        SlmbenchError: Something the user can mend; see the message.
    """
    check_place(folder, "run.json")
    if done := _finished_run(folder, making.key):
        progress.say(f"{folder} is already there, made from the same inputs")
        return done
    with build_aside(folder) as building:
        with quiet_libraries():
            outcome = making.run(building, folder, progress)
        np.save(building / "test_logits.npy", outcome.logits)
        facts = {entry.name: getattr(outcome, entry.name) for entry in fields(outcome) if entry.name not in _ANSWERS}
        record = RunRecord(
            **facts,
            name=name or folder.name,
            path=str(folder),
            key=making.key,
            command=list(command),
            method=method,
            seed=seed,
            corpus=corpus.identity(),
            predictions=Predictions.of(
                corpus.label_names,
                corpus.test.row_ids,
                corpus.test.labels,
                softmax(outcome.logits),
                outcome.abstained,
            ),
            hardware=hardware_fingerprint(),
            software=software_versions(),
        )
        write_card(record, building / "README.md")
        write_record(record, building / "run.json")
    making.clean_up(folder)
    took = record.answering.seconds if record.answering else record.train.seconds
    progress.say(f"run in {folder}, {'answered' if record.answering else 'trained'} in {took:.1f} s")
    return record


def default_folder(model: str, corpus: str, seed: int, *words: str) -> Path:
    """Return a folder named after what a run is.

    Args:
        model: The model's name or folder.
        corpus: The corpus's name or file.
        seed: Mentioned when it is not the usual one.
        *words: What else tells the run apart: method, layers, shots.
    """
    parts = [Path(model).name, *words, Path(corpus).name.split(".")[0]]
    if seed != USUAL_SEED:
        parts.append(f"seed{seed}")
    return RUNS / "-".join(parts).lower()


def _finished_run(folder: Path, key: str) -> RunRecord | None:
    """Return the run in a folder when it was made from the same inputs and is whole."""
    record = finished_record(RunRecord, folder / "run.json", key)
    if record is None:
        return None
    whole = (folder / "model").is_dir() or not record.has_model
    return record if whole and (folder / "test_logits.npy").is_file() else None
