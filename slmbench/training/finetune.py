"""The ``finetune`` stage: corpus and base model in, run folder and record out."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.edge.classifier import softmax
from slmbench.errors import require_extra
from slmbench.files import build_aside, check_place
from slmbench.hardware import hardware_fingerprint, software_versions
from slmbench.models.quiet import quiet_libraries
from slmbench.progress import SILENT
from slmbench.records import Predictions, RunRecord, write_record
from slmbench.records.base import finished_record
from slmbench.training.options import TrainingOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.corpora import Corpus
    from slmbench.progress import Progress
    from slmbench.training.outcome import Training


def finetune(
    model: str,
    corpus: Corpus,
    options: TrainingOptions | None = None,
    *,
    output: Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> RunRecord:
    """Train a classifier and test it.

    The run folder holds ``run.json`` (the record), ``model/`` (Hugging Face files, LoRA merged; or the TF-IDF
    files), ``test_logits.npy`` (fp32, one row a test review) and, for LoRA, ``adapter/``.

    Args:
        model: Folder, starter item or hub name; ignored by ``tfidf``.
        corpus: From :func:`slmbench.corpora.load_corpus`.
        options: Hyper-parameters.
        output: The run folder; ``runs/MODEL-METHOD-CORPUS`` when not given.
        name: What tables call the run; the folder's name when not given.
        command: The command line, for the record.
        progress: Where to say how far it is.

    Returns:
        The record; a run with the same inputs that is already there is returned as it is.

    Raises:
        SlmbenchError: Something the user can mend; see the message.
    """
    options = options or TrainingOptions()
    options.check()
    if options.method == "tfidf":
        require_extra("sklearn", "train", "the TF-IDF floor")
        from slmbench.training.floor import FloorTraining

        model = "tfidf"
        training: Training = FloorTraining(corpus, options)
    else:
        require_extra("torch", "train", "fine-tuning")
        from slmbench.training.transformer import TransformerTraining

        training = TransformerTraining(model, corpus, options, progress)
    folder = output or _default_folder(model, corpus.name, options)
    check_place(folder, "run.json")
    if done := _finished_run(folder, training.key):
        progress.say(f"{folder} is already there, made from the same inputs")
        return done
    with build_aside(folder) as building:
        with quiet_libraries():
            trained = training.run(building, folder, progress)
        np.save(building / "test_logits.npy", trained.logits)
        facts = {field.name: getattr(trained, field.name) for field in fields(trained) if field.name != "logits"}
        record = RunRecord(
            **facts,
            name=name or folder.name,
            path=str(folder),
            key=training.key,
            command=list(command),
            method=options.method,
            seed=options.seed,
            corpus=corpus.identity(),
            predictions=Predictions.of(
                corpus.label_names, corpus.test.row_ids, corpus.test.labels, softmax(trained.logits)
            ),
            hardware=hardware_fingerprint(),
            software=software_versions(),
        )
        write_record(record, building / "run.json")
    training.clean_up(folder)
    progress.say(f"run in {folder}, trained in {record.train.seconds:.1f} s")
    return record


def _default_folder(model: str, corpus: str, options: TrainingOptions) -> Path:
    """Return a folder named after what the run is."""
    parts = [Path(model).name]
    if options.layers is not None:
        parts.append(f"{options.layers}layers")
    if options.method != model:
        parts.append(options.method)
    parts.append(Path(corpus).name.split(".")[0])
    if options.seed != TrainingOptions.seed:
        parts.append(f"seed{options.seed}")
    return Path("runs") / "-".join(parts).lower()


def _finished_run(folder: Path, key: str) -> RunRecord | None:
    """Return the run in a folder when it was made from the same inputs."""
    record = finished_record(RunRecord, folder / "run.json", key)
    whole = (folder / "model").is_dir() and (folder / "test_logits.npy").is_file()
    return record if whole else None
