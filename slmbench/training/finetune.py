"""The ``finetune`` stage: corpus and base model in, run folder and record out."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.edge.classifier import softmax
from slmbench.errors import SlmbenchError, require_extra
from slmbench.files import build_aside, sha256_of
from slmbench.edge.memory import high_water_mark
from slmbench.hardware import hardware_fingerprint, software_versions
from slmbench.models import count_parameters, find_model, load_classifier, load_tokenizer
from slmbench.models.loading import position_limit
from slmbench.progress import SILENT
from slmbench.records import Predictions, RunRecord, TrainCost, read_record, write_record
from slmbench.records.base import content_key
from slmbench.training.inference import classifier_logits
from slmbench.training.options import TrainingOptions, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.corpora import Corpus
    from slmbench.progress import Progress

#: The merged, reloaded model must repeat the trained one's logits to this; fp32 sums differ by less.
RELOAD_TOLERANCE = 1e-3


def finetune(
    model: str,
    corpus: Corpus,
    options: TrainingOptions | None = None,
    *,
    output: Path | None = None,
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
        return _finetune_tfidf(corpus, options, output, command, progress)
    require_extra("torch", "train", "fine-tuning")
    return _finetune_transformer(model, corpus, options, output, command, progress)


def run_folder(output: Path | None, model: str, method: str, corpus: str) -> Path:
    """Return the folder of a run: the one asked for, or a name made of what it is."""
    if output is not None:
        return output
    parts = [Path(model).name or model] + ([method] if method != model else [])
    return Path("runs") / "-".join([*parts, Path(corpus).name.split(".")[0]]).lower()


def finished_run(folder: Path, key: str) -> RunRecord | None:
    """Return the run in a folder when it was made from the same inputs."""
    if not (folder / "run.json").is_file():
        return None
    try:
        record = read_record(RunRecord, folder / "run.json")
    except SlmbenchError:
        return None  # damaged or of another version: made anew
    return record if record.key == key else None


def _finetune_transformer(
    name: str,
    corpus: Corpus,
    options: TrainingOptions,
    output: Path | None,
    command: Sequence[str],
    progress: Progress,
) -> RunRecord:
    import torch
    from transformers import set_seed

    from slmbench.training.lora import add_adapters, merge_adapters
    from slmbench.training.trainer import choose_device, choose_precision, train

    started = time.perf_counter()
    files = find_model(name, allow_pickle=options.allow_pickle, progress=progress)
    config = _read_config(files.folder, name)
    options = resolve(options, config.model_type, int(getattr(config, "hidden_size", 768)))
    limit = position_limit(config)
    max_length = min(options.max_length or 512, limit or 10**9)
    set_seed(options.seed)
    loaded = load_classifier(
        files,
        corpus.label_names,
        layers=options.layers,
        dropout=options.dropout,
        allow_pickle=options.allow_pickle,
    )
    tokenizer = load_tokenizer(files.folder, max_length=max_length)
    tokenizer.truncation_side = options.truncation_side or "right"
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    hyperparameters = {**options.hyperparameters(), "max_length": max_length, "precision": precision}
    identity = corpus.identity()
    key = content_key(
        stage="finetune/1",
        weights=loaded.base_sha256,
        architecture=config.model_type,
        method=options.method,
        seed=options.seed,
        device=device,
        hyperparameters=hyperparameters,
        train=identity.train_hash,
        test=identity.test_hash,
        validation=identity.validation_reviews,
    )
    folder = run_folder(output, name, options.method, corpus.name)
    if done := finished_run(folder, key):
        progress.say(f"{folder} is already there, made from the same inputs")
        return done
    model = loaded.model
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    trained = add_adapters(model, options) if options.method == "lora" else model
    counts = count_parameters(trained)
    checkpoints = folder.parent / f".{folder.name}.checkpoints-{key[:12]}"
    outcome = train(
        trained,
        tokenizer,
        corpus.train,
        corpus.validation,
        options,
        device=device,
        precision=precision,
        checkpoints=checkpoints,
        progress=progress,
    )
    seconds = outcome.seconds
    with build_aside(folder) as building:
        if options.method == "lora":
            trained.save_pretrained(building / "adapter")
            model = merge_adapters(trained)
        plain = count_parameters(model)
        model = model.to("cpu").float()
        model.save_pretrained(building / "model", safe_serialization=True)
        tokenizer.save_pretrained(building / "model")
        # Tested is what was saved, read back: a head lost on the way would show here, not in the app.
        reloaded = load_classifier(
            type(files)(name, building / "model", "directory"), corpus.label_names
        ).model.to(device)
        probe = corpus.test.texts[:16]
        before = classifier_logits(model.to(device), tokenizer, probe, max_length, SILENT)
        after = classifier_logits(reloaded, tokenizer, probe, max_length, SILENT)
        if float(np.abs(before - after).max()) > RELOAD_TOLERANCE:
            raise SlmbenchError(
                f"the saved model gives other logits than the trained one (by {np.abs(before - after).max():.3g}):"
                " it was not kept; please report this architecture"
            )
        del model, trained
        logits = classifier_logits(reloaded, tokenizer, corpus.test.texts, max_length, progress)
        np.save(building / "test_logits.npy", logits)
        record = RunRecord(
            name=folder.name,
            path=str(folder),
            key=key,
            command=list(command),
            model=name,
            model_source=files.source,
            base_sha256=loaded.base_sha256,
            weights_sha256=_weights_hash(building / "model"),
            architecture=config.model_type,
            base_license=files.license,
            method=options.method,
            seed=options.seed,
            max_length=max_length,
            hyperparameters=hyperparameters,
            trainable_parameters=counts.trainable,
            total_parameters=plain.total,
            parameters_without_embeddings=plain.without_embeddings,
            corpus=identity,
            train=TrainCost(
                seconds=seconds,
                reviews_per_second=len(corpus.train) * outcome.epochs / seconds,
                epochs=outcome.epochs,
                peak_rss_bytes=high_water_mark()[0],
                device=device if device != "cuda" else torch.cuda.get_device_name(),
                precision=precision,
                best_epoch=outcome.best_epoch,
                selected_by=options.select_by if len(corpus.validation) else None,
                history=outcome.history,
            ),
            predictions=Predictions.of(
                corpus.label_names, corpus.test.row_ids, corpus.test.labels, softmax(logits)
            ),
            hardware=hardware_fingerprint(),
            software=software_versions(),
        )
        write_record(record, building / "run.json")
    shutil.rmtree(checkpoints, ignore_errors=True)
    progress.say(f"run in {folder} ({time.perf_counter() - started:.0f} s)")
    return record


def _finetune_tfidf(
    corpus: Corpus, options: TrainingOptions, output: Path | None, command: Sequence[str], progress: Progress
) -> RunRecord:
    require_extra("sklearn", "train", "the TF-IDF floor")
    from slmbench.corpora import Split
    from slmbench.training.tfidf import SETTINGS, TfidfClassifier

    identity = corpus.identity()
    key = content_key(
        stage="finetune/1",
        method="tfidf",
        seed=options.seed,
        hyperparameters=SETTINGS,
        train=identity.train_hash,
        test=identity.test_hash,
    )
    folder = run_folder(output, "tfidf", "tfidf", corpus.name)
    if done := finished_run(folder, key):
        progress.say(f"{folder} is already there, made from the same inputs")
        return done
    # Nothing is selected on validation rows here, so that the floor may learn from them too.
    rows = Split(
        corpus.train.texts + corpus.validation.texts,
        corpus.train.labels + corpus.validation.labels,
        corpus.train.row_ids + corpus.validation.row_ids,
    )
    started = time.perf_counter()
    classifier = TfidfClassifier(rows, options.seed)
    seconds = time.perf_counter() - started
    with build_aside(folder) as building:
        classifier.save(building / "model")
        logits = classifier.logits(corpus.test.texts)
        np.save(building / "test_logits.npy", logits)
        record = RunRecord(
            name=folder.name,
            path=str(folder),
            key=key,
            command=list(command),
            model="tfidf",
            model_source="fitted here",
            base_sha256=None,
            weights_sha256=sha256_of(building / "model" / "tfidf.npz"),
            architecture="tfidf",
            base_license="no base weights",
            method="tfidf",
            seed=options.seed,
            max_length=None,
            hyperparameters=dict(SETTINGS),
            trainable_parameters=classifier.parameters,
            total_parameters=classifier.parameters,
            parameters_without_embeddings=classifier.parameters,
            corpus=identity,
            train=TrainCost(
                seconds=seconds,
                reviews_per_second=len(rows) / seconds,
                epochs=1,
                peak_rss_bytes=high_water_mark()[0],
                device="cpu",
                precision="fp64",
                best_epoch=None,
                selected_by=None,
                history=[],
            ),
            predictions=Predictions.of(
                corpus.label_names, corpus.test.row_ids, corpus.test.labels, softmax(logits)
            ),
            hardware=hardware_fingerprint(),
            software=software_versions(),
        )
        write_record(record, building / "run.json")
    progress.say(f"run in {folder} ({seconds:.1f} s)")
    return record


def _read_config(folder: Path, name: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise SlmbenchError(f"the configuration of '{name}' cannot be read: {error}") from None


def _weights_hash(folder: Path) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    return sha256_of(weights[0]) if len(weights) == 1 else content_key(*[], **{w.name: sha256_of(w) for w in weights})
