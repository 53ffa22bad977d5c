"""Fine-tuning a transformer: load, train, merge adapters, save, load again, test."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import UsageError, require_extra
from slmbench.common.files import content_key
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.corpora import Corpus
from slmbench.instruments.devices import choose_device, choose_precision
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import Outcome, RunMethod, training_cost
from slmbench.methods.ranks import on_all, processes
from slmbench.methods.training.distillation import Teachers
from slmbench.methods.training.inference import classifier_logits
from slmbench.methods.training.losses import class_weights
from slmbench.methods.training.lower_layers import LowerLayers
from slmbench.methods.training.saving import DivergedError, save_and_read_back
from slmbench.methods.training.trainer import train
from slmbench.methods.training.vocabulary import share_unused_rows
from slmbench.models import count_parameters, find_model, load_classifier, load_tokenizer
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.long_texts import set_long_texts
from slmbench.models.model_files import weights_sha256

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class TransformerTraining(RunMethod):
    """One fine-tuning of a pretrained encoder.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and fix every hyper-parameter, so that a finished run is recognised.

        Raises:
            SlmbenchError: The model cannot be found or downloaded, or an option does not fit it.
        """
        self._corpus = corpus
        self._files = find_model(name, allow_pickle=options.allow_pickle, progress=progress)
        config = read_config(self._files)
        if (kind := getattr(config, "problem_type", None)) in ("multi_label_classification", "regression"):
            progress.say(f"'{name}' was published for {kind}: it is trained here to give one label a text")
        self._options = options.for_model(config.model_type, int(getattr(config, "hidden_size", 768)))
        if self._options.long_texts != "head":  # the side that some models are cut on by default has no meaning then
            self._options = self._options.replace(truncation_side="right")
        self._max_length = input_limit(config, self._options.max_length, progress=progress)
        self._device = choose_device(options.device)
        self._precision = choose_precision(options.precision, self._device)
        self._architecture: str = config.model_type
        self._identity = corpus.identity()
        self._base_sha256 = weights_sha256(self._files.folder)
        folders = options.given.get("teacher")
        self._teachers = Teachers.open(folders, corpus) if folders else None
        self.key = content_key(
            stage="finetune/1",
            weights=self._base_sha256,
            architecture=self._architecture,
            method=options.method,
            seed=options.seed,
            hyperparameters=self._hyperparameters(),
            train=self._identity.train_hash,
            test=self._identity.test_hash,
            validation=self._identity.validation_reviews,
            **(self._teachers.identity(corpus) if self._teachers else {}),
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Train, save, load again and test; see :class:`slmbench.methods.runs.RunMethod`."""
        from transformers import set_seed

        options, corpus = self._options, self._corpus
        set_seed(options.seed)
        tokenizer = load_tokenizer(self._files.folder, max_length=self._max_length)
        tokenizer.truncation_side = options.truncation_side or "right"
        model = load_classifier(
            self._files,
            corpus.label_names,
            layers=options.layers,
            dropout=options.dropout,
            allow_pickle=options.allow_pickle,
            new_head=True,
            progress=progress,
        )
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        set_long_texts(model.config, options.long_texts)
        trained = add_adapters(model, options) if options.method == "lora" else model
        lower = LowerLayers(trained, options.frozen_layers) if options.frozen_layers else None
        trainable = count_parameters(trained).trainable
        _remove_incomplete_checkpoints(self._checkpoints(folder))
        rows, teacher_logits = corpus.train, None
        if self._teachers:
            rows, teacher_logits = self._teachers.lessons(corpus.train, corpus, self._device, progress)
            set_seed(options.seed)  # whether the teachers ran now or before must not change the student
        outcome = on_all(
            train,
            trained,
            tokenizer,
            rows,
            corpus.validation,
            options,
            device=self._device,
            precision=self._precision,
            checkpoints=self._checkpoints(folder).absolute(),
            progress=progress,
            teacher_logits=teacher_logits,
            weights=self._class_weights,
            lower=lower,
            base_sha256=self._base_sha256,
        )
        notes = []
        if outcome.diverged_in is not None:
            notes.append(
                f"training diverged in epoch {outcome.diverged_in:g}: the weights of epoch {outcome.best_epoch:g}"
                f" were kept; lower --lr ({options.learning_rate})"
            )
            progress.say(notes[0])
        details: dict[str, Any] = {"teacher": self._teachers.details()} if self._teachers else {}
        if options.given.get("vocabulary") == "corpus":
            texts = corpus.train.texts + corpus.validation.texts + corpus.unlabelled
            effect = share_unused_rows(trained, tokenizer, texts, corpus.test.texts, self._max_length, progress)
            details["vocabulary"] = asdict(effect)
            progress.say(effect.sentence())
            notes.append(effect.sentence())
        if options.method == "lora":
            trained.save_pretrained(building / "adapter")
        try:
            reloaded = save_and_read_back(
                trained,
                tokenizer,
                building / "model",
                corpus,
                max_length=self._max_length,
                learning_rate=options.learning_rate,
                merge=merge_adapters if options.method == "lora" else None,
            )
        except DivergedError:
            shutil.rmtree(self._checkpoints(folder), ignore_errors=True)  # or they would be resumed
            raise
        return self._outcome(
            reloaded,
            tokenizer,
            building,
            progress,
            trainable=trainable,
            train=training_cost(
                outcome.seconds,
                len(rows) * outcome.epochs_now,
                epochs=outcome.epochs,
                resumed_at_epoch=outcome.resumed_at_epoch,
                processes=processes(),
                **self._cost_facts(outcome.best_epoch),
                history=outcome.history,
            ),
            details=details,
            notes=notes,
        )

    def _cost_facts(self, best_epoch: float | None) -> dict[str, Any]:
        """Return the facts about the cost that do not depend on how the training was done."""
        selected_by = self._options.select_by if len(self._corpus.validation) else None
        how = {"device": self._device, "precision": self._precision}
        return {**how, "best_epoch": best_epoch, "selected_by": selected_by}

    def _outcome(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        building: Path,
        progress: Progress,
        *,
        trainable: int,
        details: dict[str, Any],
        notes: list[str],
        **facts: Any,
    ) -> Outcome:
        """Test the saved model and return the outcome."""
        counts = count_parameters(model)
        return Outcome(
            model_source=self._files.source,
            base_sha256=self._base_sha256,
            weights_sha256=weights_sha256(building / "model"),
            architecture=self._architecture,
            base_license=self._files.license,
            max_length=self._max_length,
            hyperparameters=self._hyperparameters(),
            trainable_parameters=trainable,
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            logits=self._test(model, tokenizer, progress),
            details=details,
            notes=notes,
            **facts,
        )

    def _test(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, progress: Progress) -> np.ndarray:
        with stage("testing"):
            return classifier_logits(model, tokenizer, self._corpus.test.texts, self._max_length, progress)

    @property
    def _class_weights(self) -> np.ndarray | None:
        return class_weights(self._options.class_weight, self._corpus.train.labels, len(self._corpus.label_names))

    def clean_up(self, folder: Path) -> None:
        """Remove the checkpoints of a finished run, and of others that were begun in its place."""
        for checkpoints in folder.parent.glob(f".{escape(folder.name)}.checkpoints-*"):
            shutil.rmtree(checkpoints, ignore_errors=True)

    def _checkpoints(self, folder: Path) -> Path:
        return folder.parent / f".{folder.name}.checkpoints-{self.key[:12]}"

    def _hyperparameters(self) -> dict[str, Any]:
        settled = {"max_length": self._max_length, "precision": self._precision, "device": self._device}
        return {**self._options.hyperparameters(), **settled}


def _remove_incomplete_checkpoints(folder: Path) -> None:
    """Remove checkpoints that were incomplete when training was interrupted: the Trainer's state is written last."""
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)


def add_adapters(model: PreTrainedModel, options: MethodOptions) -> PeftModel:
    """Freeze a classifier and add trainable adapters; its head stays trainable.

    Args:
        model: A sequence classifier.
        options: Resolved options with ``lora_*`` set.

    Returns:
        The wrapped model.

    Raises:
        UsageError: No module of the model has one of the target names.
    """
    require_extra("peft", "train", "LoRA")
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=options.lora_r,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=list(options.lora_targets or ()),
        # Named explicitly: a head that peft does not find would keep its random weights and not be saved.
        modules_to_save=head_modules(model),
        bias="none",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise UsageError(
            f"--lora-targets {','.join(options.lora_targets or ())}: no such modules in this model"
            f" ({str(error).split('. ')[0]})"
        ) from None


def head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of a classifier's modules outside its encoder that have parameters."""
    return [
        name
        for name, module in model.named_children()
        if name != model.base_model_prefix and any(True for _ in module.parameters())
    ]


def merge_adapters(model: PeftModel) -> PreTrainedModel:
    """Return the plain classifier with the adapters folded into its weights."""
    return model.merge_and_unload()
