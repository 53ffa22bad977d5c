"""Training a classifier with the Hugging Face Trainer: arguments, progress, best epoch, resuming."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import require_extra
from slmbench.common.progress import Progress, Task
from slmbench.corpora import Split
from slmbench.methods.options import MethodOptions
from slmbench.methods.ranks import check_resumed, processes, seen_by_trainer
from slmbench.methods.training.classifier_trainer import REVIEW, trainer_class
from slmbench.methods.training.cpu import bf16_training, keep_freed_memory
from slmbench.methods.training.lower_layers import LowerLayers, with_lower_outputs
from slmbench.methods.training.saving import explain_memory_errors
from slmbench.methods.training.selection import EpochSelector
from slmbench.methods.training.used_rows import used_rows_only
from slmbench.models.configuration import padding_multiple
from slmbench.models.long_texts import encode_texts
from slmbench.records import EpochLog

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments


@dataclass(frozen=True)
class TrainingOutcome:
    """Cost and history of a training; the weights are in the model that was passed.

    ``seconds`` and ``epochs_now`` are of this process; ``epochs`` also counts those before an interruption.
    ``diverged_in`` is the epoch in which weights became NaN or infinite; the weights are those of an epoch before.
    """

    seconds: float
    epochs: float
    epochs_now: float
    resumed_at_epoch: float | None
    best_epoch: float | None
    history: list[EpochLog]
    diverged_in: float | None = None


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    training: Split,
    validation: Split,
    options: MethodOptions,
    *,
    device: str,
    precision: str,
    checkpoints: Path,
    progress: Progress,
    teacher_logits: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    lower: LowerLayers | None = None,
    base_sha256: str = "",
) -> TrainingOutcome:
    """Train a classifier in place; it keeps the weights of its best epoch.

    A training that diverges ends with the epoch in which it does, and keeps the best one before, without validation
    rows the last one. In the first epoch there is none: the weights are left as they are.

    Args:
        model: A sequence classifier, plain or wrapped by peft.
        tokenizer: Its tokenizer.
        training: Training rows; in a distillation some have no label (see ``training.distillation``).
        validation: Rows that pick the epoch; when empty the last epoch is kept.
        options: Resolved options.
        device: From :func:`choose_device`.
        precision: From :func:`choose_precision`.
        checkpoints: Folder for the state after each epoch; an interrupted training is resumed from it.
        progress: Where progress is reported.
        teacher_logits: In a distillation, the teacher's logits on ``training``, shape (rows, labels).
        weights: Weight of each class in the loss, shape (labels,); all 1 when not given.
        lower: Layers of the model that are not trained.
        base_sha256: Hash of the model's weights before training, by which their outputs are found again.

    Returns:
        Seconds, epochs and the history.

    Raises:
        SlmbenchError: Memory ran out.
    """
    from transformers import DataCollatorWithPadding
    from transformers.trainer_utils import get_last_checkpoint

    selecting = len(validation) > 0
    arguments = trainer_arguments(
        checkpoints,
        options,
        device=device,
        precision=precision,
        per_device_eval_batch_size=32,
        group_by_length=True,
        eval_strategy="epoch" if selecting else "no",
        save_strategy="epoch",
        save_total_limit=1,  # the Trainer keeps the best one in addition
        load_best_model_at_end=selecting,
        metric_for_best_model="eval_loss" if options.select_by == "loss" else "eval_selection",
        greater_is_better=options.select_by != "loss",
        save_safetensors=True,
        # What the metrics are computed from: the windows of a review are one answer.
        label_names=["labels", REVIEW] if options.long_texts == "windows" else ["labels"],
    )
    resume = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    check_resumed(resume)
    state: dict[str, Any] = _state_of(resume) if resume else {"epoch": 0.0, "log_history": []}
    metric = "macro_f1" if options.select_by == "macro_f1" else "accuracy"
    earlier = [line[f"eval_{metric}"] for line in state["log_history"] if f"eval_{metric}" in line]
    learned = _examples(tokenizer, training, options, teacher_logits)
    checked = _examples(tokenizer, validation, options)
    # Lengths are multiples of 16 tokens, because the CPU kernels plan again for each new shape.
    multiple = padding_multiple(model.config, tokenizer.model_max_length)
    collator: Any = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)
    began = time.perf_counter()
    with ExitStack() as within:
        if lower:
            model.to(device)
            outputs = lower.outputs(
                tokenizer,
                [*training.texts, *validation.texts],
                weights_sha256=base_sha256,
                max_length=tokenizer.model_max_length,
                precision=precision,
                progress=progress,
                long_texts=options.long_texts,
            )
            collator = with_lower_outputs(collator, outputs, [*learned, *checked])
            within.enter_context(lower.left_out())
        if device == "cpu":
            within.enter_context(used_rows_only(model, [row["input_ids"] for row in [*learned, *checked]]))
        prepared = time.perf_counter() - began
        trainer = trainer_class(options, weights, device, lower)(
            model=model,
            args=arguments,
            train_dataset=learned,
            eval_dataset=checked or None,
            data_collator=collator,
            compute_metrics=EpochSelector(metric, earlier),
        )
        divergence = _divergence_callback()
        trainer.add_callback(divergence)
        if resume:
            progress.say(f"resuming the interrupted training from {checkpoints}")
        how: dict[str, Any] = {"device": device, "precision": precision, "progress": progress}
        seconds = prepared + run_trainer(trainer, options, resume=resume, **how)
        best = trainer.state.best_global_step if selecting else None
        if divergence.epoch is not None and best is None:
            best = _load_last_epoch(trainer, checkpoints)
    diverged_in = divergence.epoch if best else None
    epochs = float(trainer.state.epoch or 0)
    resumed = float(state["epoch"])
    steps_per_epoch = trainer.state.global_step / max(trainer.state.epoch or 1, 1e-9)
    return TrainingOutcome(
        seconds=seconds,
        epochs=epochs,
        epochs_now=max(epochs - resumed, 1e-9),
        resumed_at_epoch=resumed or None,
        best_epoch=round(best / steps_per_epoch, 2) if best else None,
        history=history_of(trainer),
        diverged_in=diverged_in,
    )


def trainer_arguments(
    folder: Path, options: MethodOptions, *, device: str, precision: str, **others: Any
) -> TrainingArguments:
    """Return the Trainer's arguments.

    Args:
        folder: Where the Trainer may write.
        options: Resolved options.
        device: From :func:`slmbench.instruments.devices.choose_device`.
        precision: From :func:`slmbench.instruments.devices.choose_precision`.
        **others: Further arguments.

    Raises:
        SlmbenchError: The experiment tracker is not installed.
    """
    from transformers import TrainingArguments

    if options.report_to:
        require_extra(options.report_to, options.report_to, f"--report-to {options.report_to}")

    with seen_by_trainer(device):
        arguments = TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=options.batch_size or 16,
            num_train_epochs=options.epochs or 1,
            learning_rate=options.learning_rate or 0.0,
            weight_decay=options.weight_decay or 0.0,
            warmup_ratio=options.warmup_ratio or 0.0,
            seed=options.seed,
            data_seed=options.seed,
            use_cpu=device == "cpu",
            bf16=precision == "bf16",
            logging_strategy="epoch",
            report_to=[options.report_to] if options.report_to else [],
            disable_tqdm=True,
            dataloader_pin_memory=device == "cuda",
            remove_unused_columns=False,  # some columns are for the loss only
            **others,
        )
        arguments._n_gpu = min(arguments.n_gpu, 1)  # or several GPUs would each get a batch of this size
    return arguments


def run_trainer(
    trainer: Trainer,
    options: MethodOptions,
    *,
    device: str,
    precision: str,
    progress: Progress,
    resume: str | None = None,
) -> float:
    """Run a Trainer, and remove the bf16 wrapper that it puts around the model.

    Args:
        trainer: With :func:`trainer_arguments`.
        options: Resolved options.
        device: As in the arguments.
        precision: As in the arguments.
        progress: Where progress is reported.
        resume: Checkpoint to resume from.

    Returns:
        Seconds.

    Raises:
        SlmbenchError: Memory ran out.
    """
    from transformers import PrinterCallback

    if device == "cpu":
        keep_freed_memory()
    trainer.remove_callback(PrinterCallback)
    together = f", {processes()} processes" if processes() > 1 else ""
    with progress.task(f"training ({precision}, {device}{together})", unit="steps") as task:
        trainer.add_callback(_progress_callback(task))
        fast = bf16_training(trainer.model) if device == "cpu" and precision == "bf16" else nullcontext()
        with explain_memory_errors(options), fast:
            result = trainer.train(resume_from_checkpoint=resume)
    # Accelerate leaves the model's forward wrapped in bf16 autocast; testing is in fp32.
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    return float(result.metrics["train_runtime"])


def _examples(
    tokenizer: PreTrainedTokenizerFast,
    split: Split,
    options: MethodOptions,
    teacher_logits: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Return tokenised reviews for the Trainer, a window being an example with the label of its review.

    The collator pads them batch by batch.
    """
    if not len(split):
        return []
    # The tokenizer's own limit is the one asked for, or less where the model has positions for fewer tokens.
    encoded = encode_texts(tokenizer, split.texts, tokenizer.model_max_length, options.long_texts)
    columns = {**encoded.columns, "labels": encoded.of_each(split.labels)}
    if options.long_texts == "windows":
        columns[REVIEW] = encoded.texts.tolist()
    if teacher_logits is not None:
        columns["teacher_logits"] = encoded.of_each(teacher_logits.tolist())
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _state_of(checkpoint: str) -> dict[str, Any]:
    """Return the Trainer's state of a checkpoint."""
    return json.loads((Path(checkpoint) / "trainer_state.json").read_text(encoding="utf-8"))


def history_of(trainer: Trainer) -> list[EpochLog]:
    """Return the losses and validation metrics that a Trainer has logged, one entry per epoch."""
    epochs: dict[float, dict[str, float]] = {}
    names = {
        "loss": "train_loss",
        "eval_loss": "validation_loss",
        "eval_accuracy": "validation_accuracy",
        "eval_macro_f1": "validation_macro_f1",
    }
    for entry in trainer.state.log_history:
        line = epochs.setdefault(round(float(entry["epoch"]), 4), {})
        line.update({names[key]: value for key, value in entry.items() if key in names})
    return [EpochLog(epoch=epoch, **line) for epoch, line in sorted(epochs.items()) if line]


def _divergence_callback() -> Any:
    """Return a callback that ends a training whose weights are NaN or infinite, before they are saved."""
    import torch
    from transformers import TrainerCallback

    class Divergence(TrainerCallback):
        """``epoch`` is the one in which it was found."""

        epoch: float | None = None

        def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            if all(bool(torch.isfinite(weights).all()) for weights in model.parameters()):
                return
            self.epoch = float(state.epoch)
            control.should_save = control.should_evaluate = False
            control.should_training_stop = True

    return Divergence()


def _load_last_epoch(trainer: Trainer, checkpoints: Path) -> int | None:
    """Load the weights of the last checkpoint; return its step, or ``None`` without one."""
    from transformers.trainer_utils import get_last_checkpoint

    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    if last is None:
        return None
    trainer._load_from_checkpoint(last)
    return int(_state_of(last)["global_step"])


def _progress_callback(task: Task) -> Any:
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Advances the progress bar with each step and shows the latest validation metric."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            task.set_total(state.max_steps)
            task.advance(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            task.advance()

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
            if metrics:
                task.describe(
                    f"training, epoch {state.epoch:.0f}: validation accuracy {metrics['eval_accuracy']:.3f}"
                )

    return Reporter()
