"""Contrastive few-shot learning (SetFit, Tunstall et al. 2022): train the encoder on pairs, then a linear probe.

The vectors of examples with the same label are pulled together, those of others pushed apart; then a logistic
regression is fitted on the sentence vectors, as in :mod:`slmbench.methods.fewshot.probe`. The training loop is the
setfit library's. The pairs are drawn here (never all listed, so memory grows only with the number drawn), because the
library lists all pairs of examples before it samples.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import comb, isqrt
from typing import TYPE_CHECKING, Any, ClassVar

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress, Task
from slmbench.corpora import Corpus, Split
from slmbench.methods.fewshot.probe import EncoderTraining, LinearProbe
from slmbench.methods.options import MethodOptions
from slmbench.models import count_parameters
from slmbench.models.quiet import quiet_libraries
from slmbench.records import EpochLog

if TYPE_CHECKING:
    from slmbench.methods.fewshot.embedding import SentenceEncoder

#: Default number of pairs of each kind (like, unlike) per example: the R of Tunstall et al. 2022, counted per example
#: like setfit's ``num_iterations``.
ITERATIONS = 20

#: Two examples by index, and whether they have the same label.
Pair = tuple[int, int, bool]


class SetFit(LinearProbe):
    """A linear probe whose encoder is first trained on pairs of the examples."""

    remedy: ClassVar[str] = "training diverged, lower --lr"
    # As in fine-tuning, and unlike the library, which keeps the model's own: on a CPU, dropout costs time and half of
    # the memory of a step.
    dropout: ClassVar[float | None] = 0.0

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and fill in every default; see :class:`LinearProbe`."""
        super().__init__(name, corpus, options, progress)
        self._options = options

    def train_encoder(self, body: SentenceEncoder, examples: Split, progress: Progress) -> EncoderTraining:
        """Train the encoder in place on pairs of the examples; see :meth:`LinearProbe.train_encoder`."""
        import setfit  # noqa: F401 - loading it is not part of the time

        pairs = draw_pairs(examples.labels, self._options.pairs, self._options.seed)
        with progress.task(f"training on {len(pairs)} pairs", unit="steps") as task, quiet_libraries():
            began = time.perf_counter()
            history = _train_on_pairs(body, examples, pairs, self._options, task)
            seconds = time.perf_counter() - began
        return EncoderTraining(
            seconds=seconds,
            epochs=float(self._options.epochs),
            trained_parameters=count_parameters(body).total,
            history=history,
            details={"pairs": len(pairs), "different_pairs": len(set(pairs))},
        )


def _train_on_pairs(
    body: SentenceEncoder, examples: Split, pairs: Sequence[Pair], options: MethodOptions, task: Task
) -> list[EpochLog]:
    """Train an encoder with setfit's trainer toward a cosine of 1 for like and 0 for unlike reviews."""
    import setfit
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer

    class PairTrainer(setfit.Trainer):
        """Uses the pairs that were drawn instead of listing all of them."""

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
    """Make a trainer advance the progress bar and print nothing."""
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
    """Within the block, setfit creates its trainer for the chosen device; it has no argument for that."""
    from setfit import trainer

    arguments = trainer.SentenceTransformerTrainingArguments
    trainer.SentenceTransformerTrainingArguments = partial(arguments, use_cpu=device == "cpu")
    try:
        yield
    finally:
        trainer.SentenceTransformerTrainingArguments = arguments


def draw_pairs(labels: Sequence[int], maximum: int | None, seed: int) -> list[Pair]:
    """Draw equally many pairs of like and of unlike examples, alternating.

    The number of different pairs of the more frequent kind is the limit: then each of those occurs once, and pairs of
    the rarer kind are repeated (setfit's ``oversampling``). An example is paired with itself only when each label has
    a single example.

    Args:
        labels: Label of each example; every label occurs equally often.
        maximum: Maximum number of pairs, at least 2; ``None`` is 2 x :data:`ITERATIONS` per example.
        seed: Another seed draws other pairs.

    Returns:
        The pairs, an even number.
    """
    by_label: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        by_label.setdefault(label, []).append(index)
    groups = list(by_label.values())
    shots = len(groups[0])
    like = len(groups) * max(comb(shots, 2), 1)
    unlike = comb(len(groups), 2) * shots**2
    wanted = min((2 * ITERATIONS * len(labels) if maximum is None else maximum) // 2, max(like, unlike))
    generator = random.Random(seed)

    def like_pair(number: int) -> Pair:
        group, within = divmod(number, max(comb(shots, 2), 1))
        first, second = _two_of(within) if shots > 1 else (0, 0)
        return groups[group][first], groups[group][second], True

    def unlike_pair(number: int) -> Pair:
        which, within = divmod(number, shots**2)
        one, other = _two_of(which)
        first, second = divmod(within, shots)
        return groups[one][first], groups[other][second], False

    likes = map(like_pair, _draw(like, wanted, generator))
    unlikes = map(unlike_pair, _draw(unlike, wanted, generator))
    return [pair for both in zip(likes, unlikes, strict=True) for pair in both]


def _draw(total: int, wanted: int, generator: random.Random) -> list[int]:
    """Draw numbers below ``total``, each of them once before any is repeated."""
    drawn: list[int] = []
    while len(drawn) < wanted:
        drawn += generator.sample(range(total), min(total, wanted - len(drawn)))
    return drawn


def _two_of(number: int) -> tuple[int, int]:
    """Return the two members of the pair with a number: (0, 1), (0, 2), (1, 2), (0, 3) and so on."""
    larger = (1 + isqrt(1 + 8 * number)) // 2
    return number - comb(larger, 2), larger
