"""The ``adapt`` stage: a masked language model is trained further on reviews without labels.

The result is not a classifier but a checkpoint to fine-tune from, or to use with ``--method cloze``. Gururangan et
al. (*Don't Stop Pretraining*, 2020) measured the effect of such adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.files import build_aside, content_key
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import TextSample, sample_texts
from slmbench.instruments.devices import choose_device, choose_precision
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.methods.declarations.training import ADAPTATION
from slmbench.methods.options import DEFAULT_SEED, MethodOptions
from slmbench.methods.outcome import training_cost
from slmbench.methods.runs import default_folder
from slmbench.methods.runs.ancestry import ancestry_of_model
from slmbench.methods.training.perplexity import blank_losses, hide_tokens
from slmbench.models import ModelFiles, count_parameters, find_model, load_tokenizer
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.masked import load_masked_lm
from slmbench.models.model_files import weights_sha256
from slmbench.models.quiet import quiet_libraries
from slmbench.records import BlankLosses, CheckpointRecord, TextsIdentity, artefacts, write_record
from slmbench.records.ancestors import Ancestry
from slmbench.records.base import finished_record

METHOD = "mlm"

NEW_HEAD = (
    "the weights came without a masked-language-model head, so a new one was trained: the perplexity before is that"
    " of an untrained head"
)


class MlmOptions(MethodOptions):
    """Options of an adaptation; :data:`slmbench.methods.declarations.training.ADAPTATION` declares them.

    Args:
        seed: Seed of a new head, the order and the masks.
        **given: Values by name; ``None`` means that nothing was chosen.

    Raises:
        UsageError: There is no such option, or a value is out of range.
    """

    def __init__(self, *, seed: int = DEFAULT_SEED, **given: Any) -> None:
        super().__init__(METHOD, ADAPTATION, given, seed)


def adapt(
    model: str,
    corpus: str,
    options: MlmOptions | None = None,
    *,
    seed: int = DEFAULT_SEED,
    reading: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    **given: Any,
) -> CheckpointRecord:
    """Train a masked language model on reviews without their labels, and measure its perplexity before and after.

    The folder holds ``checkpoint.json`` (the record), ``ancestors.npz`` (the reviews learned from) and ``model/``:
    Hugging Face files with the head. Reviews held out for testing are not read. An interrupted adaptation starts
    again.

    Args:
        model: Folder, run, starter item or hub name.
        corpus: See :func:`slmbench.corpora.stream_texts`.
        options: Hyper-parameters and the seed, instead of giving them one by one.
        seed: Seed of a new head, the order and the masks.
        reading: Keyword arguments of :func:`slmbench.corpora.sample_texts` beside the size, such as ``text_column``.
        output: The folder; ``runs/MODEL-mlm-CORPUS`` when not given.
        name: What tables call the checkpoint; the folder's name when not given.
        command: The command line, for the record.
        progress: Where progress is reported.
        **given: Hyper-parameters by the names of their declaration: ``epochs=1, max_reviews=10_000``.

    Returns:
        The record; a checkpoint of the same inputs that is already there is returned as it is.

    Raises:
        UsageError: The model has no mask token, the corpus does not exist, or the folder holds something else.
        SlmbenchError: A library is missing, the model cannot be found or downloaded, memory ran out, or training
            diverged.
    """
    options = options or MlmOptions(seed=seed, **given)
    require_extra("torch", "train", "adapting a language model")
    work = _Adaptation(model, options, progress)
    sample = sample_texts(
        corpus,
        size=options.max_reviews,
        **(reading or {}),
        progress=progress,
    )
    key = work.key(sample)
    chosen = Path(output) if output else None
    default = default_folder(model, corpus, options.seed, METHOD)
    with artefacts.claimed_place(default, chosen, CheckpointRecord, key, progress) as folder:
        done = finished_record(CheckpointRecord, folder / CheckpointRecord.file, key)
        if done is not None and (folder / "model").is_dir():
            progress.say(f"{folder} is up to date: made from the same inputs")
            return done
        with build_aside(folder) as building:
            with quiet_libraries():
                facts = work.run(sample, building, progress)
            record = CheckpointRecord(
                **facts,
                name=name or folder.name,
                path=str(folder),
                key=key,
                command=list(command),
                method=METHOD,
                seed=options.seed,
                hardware=hardware_fingerprint(),
                software=software_versions(),
            )
            own = Ancestry.of("adaptation", record.name, sample.text_ids())
            ancestry = own.joined(ancestry_of_model(model, progress))
            ancestry.save(building)
            record = record.model_copy(update={"ancestors": list(ancestry.facts)})
            write_record(record, building / CheckpointRecord.file)
        progress.say(f"checkpoint in {folder}, trained in {record.train.seconds:.1f} s")
        return record


class _Adaptation:
    """One adaptation with all options fixed."""

    def __init__(self, name: str, options: MlmOptions, progress: Progress) -> None:
        self._name = name
        self._files = find_model(name, allow_pickle=options.allow_pickle, progress=progress)
        config = read_config(self._files)
        self._architecture: str = config.model_type
        self._options = options.for_model(config.model_type, int(getattr(config, "hidden_size", 768)))
        self._max_length = input_limit(config, self._options.max_length, progress=progress)
        self._device = choose_device(options.device)
        self._precision = choose_precision(options.precision, self._device)
        self._base_sha256 = weights_sha256(self._files.folder)

    def key(self, sample: TextSample) -> str:
        """Return the hash of everything the result depends on."""
        return content_key(
            stage="mlm/1",
            weights=self._base_sha256,
            architecture=self._architecture,
            seed=self._options.seed,
            hyperparameters=self._hyperparameters(),
            texts=sample.texts_hash(),
            measured=sample.measured_hash(),
        )

    def run(self, sample: TextSample, building: Path, progress: Progress) -> dict[str, Any]:
        """Measure, train, save, load again and measure again; return the record's fields."""
        from transformers import set_seed

        from slmbench.methods.training.mlm_training import StreamedReviews, train_masked_lm

        options = self._options
        set_seed(options.seed)
        tokenizer = load_tokenizer(self._files.folder)
        if tokenizer.mask_token_id is None:
            raise UsageError(f"'{self._name}' has no mask token, so no words can be hidden from it")
        loaded = load_masked_lm(self._files, dropout=options.dropout, allow_pickle=options.allow_pickle)
        model = loaded.model.to(self._device)
        blanks = hide_tokens(tokenizer, sample.measured, self._max_length)
        if not blanks:
            raise SlmbenchError(f"the reviews of {sample.name} contain no tokens for the tokenizer of '{self._name}'")
        before = blank_losses(model, tokenizer, blanks, progress, "measuring before")
        outcome = train_masked_lm(
            model,
            tokenizer,
            StreamedReviews(sample, tokenizer, self._max_length, options.batch_size or 16, options.seed),
            options,
            mask_probability=options.mask_probability,
            device=self._device,
            precision=self._precision,
            progress=progress,
        )
        model.to("cpu").float().save_pretrained(building / "model", safe_serialization=True)
        # A new one, because truncation is set in the one used for training.
        load_tokenizer(self._files.folder).save_pretrained(building / "model")
        counts = count_parameters(model)
        del model
        # The saved model is what is measured.
        saved = load_masked_lm(ModelFiles(self._name, building / "model", "directory"))
        if saved.new_weights:
            raise SlmbenchError(
                f"the saved model lacks its head ({saved.new_weights[0]}) and was not kept; please report the"
                f" architecture '{self._architecture}' with method '{METHOD}'"
            )
        after = blank_losses(saved.model.to(self._device), tokenizer, blanks, progress, "measuring after")
        if not np.isfinite(after).all():
            raise SlmbenchError(
                f"training diverged: the model predicts NaN or infinity; lower --lr ({options.learning_rate})"
            )
        return {
            "model": self._name,
            "model_source": self._files.source,
            "base_sha256": self._base_sha256,
            "weights_sha256": weights_sha256(building / "model"),
            "architecture": self._architecture,
            "base_license": self._files.license,
            "max_length": self._max_length,
            "hyperparameters": self._hyperparameters(),
            "new_head": bool(loaded.new_weights),
            "total_parameters": counts.total,
            "parameters_without_embeddings": counts.without_embeddings,
            "corpus": _identity(sample, outcome.tokens),
            "train": training_cost(
                outcome.seconds,
                len(sample) * outcome.epochs,
                epochs=outcome.epochs,
                device=self._device,
                precision=self._precision,
                history=outcome.history,
            ),
            "losses": BlankLosses(blanks=[len(blank.places) for blank in blanks], before=before, after=after),
            "notes": _notes(sample, new_head=bool(loaded.new_weights)),
        }

    def _hyperparameters(self) -> dict[str, Any]:
        settled = {"max_length": self._max_length, "precision": self._precision, "device": self._device}
        return {**self._options.hyperparameters(), **settled}


def _identity(sample: TextSample, tokens: int) -> TextsIdentity:
    return TextsIdentity(
        name=sample.name,
        source=sample.source,
        reviews=len(sample),
        tokens=tokens,
        texts_hash=sample.texts_hash(),
        measured_reviews=len(sample.measured),
        measured_hash=sample.measured_hash(),
        pool=sample.pool,
        held_out_for_testing=sample.left_out,
        copies_dropped=sample.copies,
        skipped_rows=sample.skipped,
        options=sample.options,
    )


def _notes(sample: TextSample, *, new_head: bool) -> list[str]:
    notes = [
        f"{sample.left_out:,} reviews of {sample.name} that are held out for testing were not read, so that a"
        " fine-tuning on it is tested on none of the reviews learned from here"
    ]
    return [NEW_HEAD, *notes] if new_head else notes
