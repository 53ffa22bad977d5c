"""Contrastive few-shot learning (SetFit, Tunstall et al. 2022): shape the encoder on pairs, then a linear probe.

Pairs of examples with the same label are drawn together, others apart; then a logistic regression is fitted on
the sentence vectors, as in :mod:`slmbench.methods.fewshot.probe`. The training is the setfit library's; the pairs
are drawn here, because the library lists all pairs of examples before it takes any.
"""

from __future__ import annotations

import logging
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.methods.fewshot.pairs import draw_pairs
from slmbench.methods.fewshot.probe import Adaptation, ProbeOptions, Probing
from slmbench.models import count_parameters
from slmbench.records import EpochLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slmbench.common.progress import Progress, Task
    from slmbench.corpora import Corpus, Split
    from slmbench.methods.fewshot.embedding import SentenceEncoder
    from slmbench.methods.fewshot.pairs import Pair

#: Loggers that speak up while setfit trains.
_LOGGERS = ("setfit", "sentence_transformers")


@dataclass(frozen=True)
class SetfitOptions(ProbeOptions):
    """Options of contrastive few-shot learning.

    Attributes:
        epochs: Passes over the pairs.
        batch_size: Pairs a step, two reviews each.
        learning_rate: Peak rate of the encoder; it rises over a tenth of the steps and falls linearly to zero.
        pairs: Most pairs to draw; ``None`` is 40 an example. Never more than there are different ones, see
            :func:`slmbench.methods.fewshot.pairs.draw_pairs`.
    """

    method: ClassVar[str] = "setfit"

    epochs: int = 1
    batch_size: int = 16
    learning_rate: float = 2e-5
    pairs: int | None = None

    def check(self) -> None:
        """Check what can be checked without a model; see :meth:`FewshotOptions.check`."""
        super().check()
        positive = {"--epochs": self.epochs, "--batch-size": self.batch_size, "--lr": self.learning_rate}
        for option, value in positive.items():
            if not value > 0:
                raise UsageError(f"{option} must be above 0, not {value}")
        if self.pairs is not None and self.pairs < 2:
            raise UsageError(f"--pairs must be at least 2 (one like, one unlike), not {self.pairs}")

    def making(self, model: str, corpus: Corpus, progress: Progress) -> Contrasting:
        """Return the method with every choice settled."""
        require_extra("setfit", "setfit", "SetFit")
        return Contrasting(model, corpus, self, progress)


class Contrasting(Probing):
    """A probe whose encoder is first trained on pairs of the examples."""

    remedy: ClassVar[str] = "training went astray, lower --lr"
    # As in fine-tuning, and unlike the library, which keeps the model's own: on a CPU dropout costs time and half of
    # the memory of a step.
    dropout: ClassVar[float | None] = 0.0

    def __init__(self, name: str, corpus: Corpus, options: SetfitOptions, progress: Progress) -> None:
        """Find the model and settle every choice; see :class:`Probing`."""
        super().__init__(name, corpus, options, progress)
        self._options = options

    def adapt(self, body: SentenceEncoder, examples: Split, progress: Progress) -> Adaptation:
        """Train the encoder in place on pairs of the examples; see :meth:`Probing.adapt`."""
        pairs = draw_pairs(examples.labels, self._options.pairs, self._options.seed)
        with progress.task(f"contrasting {len(pairs)} pairs", unit="steps") as task, _quiet():
            began = time.perf_counter()
            history = _contrast(body, examples, pairs, self._options, task)
            seconds = time.perf_counter() - began
        return Adaptation(
            seconds=seconds,
            epochs=float(self._options.epochs),
            trained_parameters=count_parameters(body).total,
            history=history,
            details={"pairs": len(pairs), "different_pairs": len(set(pairs))},
        )


def _contrast(
    body: SentenceEncoder, examples: Split, pairs: Sequence[Pair], options: SetfitOptions, task: Task
) -> list[EpochLog]:
    """Train an encoder with setfit's trainer so that like reviews have a cosine of 1 and unlike ones of 0."""
    import setfit
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer

    class PairTrainer(setfit.Trainer):
        """Takes the pairs that were drawn instead of listing all there are."""

        def get_dataset(self, x: Any, y: Any, args: Any, max_pairs: int = -1) -> tuple[Dataset, Any]:
            columns = {
                "sentence_1": [x[one] for one, _, _ in pairs],
                "sentence_2": [x[other] for _, other, _ in pairs],
                "label": [float(alike) for _, _, alike in pairs],
            }
            return Dataset.from_dict(columns), args.loss(self.model.model_body)

    device = body.encoder.device
    model = setfit.SetFitModel(model_body=SentenceTransformer(modules=[body], device=str(device)))
    with tempfile.TemporaryDirectory() as scratch:
        arguments = setfit.TrainingArguments(
            output_dir=scratch,
            batch_size=options.batch_size,
            num_epochs=options.epochs,
            body_learning_rate=options.learning_rate,
            max_length=body.max_seq_length,
            seed=options.seed,
            report_to="none",
            logging_strategy="epoch",
            logging_first_step=False,
            save_strategy="no",
            show_progress_bar=False,
        )
        with _trainer_device(device.type):
            trainer = PairTrainer(model=model, args=arguments)
        _report_to(task, trainer)
        try:
            trainer.train_embeddings(examples.texts, examples.labels, args=arguments)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise SlmbenchError(
                    f"memory ran out while training: lower --batch-size ({options.batch_size}) or"
                    f" --max-length ({body.max_seq_length})"
                ) from None
            raise
    losses = [line for line in trainer.st_trainer.state.log_history if "embedding_loss" in line]
    return [EpochLog(epoch=line["epoch"], train_loss=line["embedding_loss"]) for line in losses]


def _report_to(task: Task, trainer: Any) -> None:
    """Let a trainer advance the bar and print nothing."""
    from transformers import PrinterCallback, TrainerCallback
    from transformers.trainer_callback import ProgressCallback

    class Reporter(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            task.set_total(state.max_steps)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            task.advance()

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Reporter())


@contextmanager
def _trainer_device(device: str) -> Iterator[None]:
    """Within the block, setfit's trainer is made for the CPU where that is wanted: by itself it asks nobody."""
    from setfit import trainer

    arguments = trainer.SentenceTransformerTrainingArguments
    trainer.SentenceTransformerTrainingArguments = partial(arguments, use_cpu=device == "cpu")
    try:
        yield
    finally:
        trainer.SentenceTransformerTrainingArguments = arguments


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block, setfit and sentence-transformers report errors only."""
    import setfit  # noqa: F401 - importing it sets its logger to INFO

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
