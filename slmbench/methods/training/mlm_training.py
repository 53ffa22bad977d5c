"""Masked-language-model training through the Hugging Face Trainer, on reviews that are streamed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import IterableDataset

from slmbench.common.progress import Progress
from slmbench.corpora import TextSample
from slmbench.methods.options import MethodOptions
from slmbench.methods.training.trainer import history_of, run_trainer, trainer_arguments
from slmbench.models.configuration import padding_multiple
from slmbench.models.masked import head_sees_only
from slmbench.records import EpochLog

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


#: Label of tokens that were not hidden.
_NOT_HIDDEN = -100
#: Batches of reviews that are shuffled together: 8,192 reviews in batches of 16, about 10 MB of text.
WINDOW_BATCHES = 512
#: Batches of reviews that are tokenised together and sorted by length; a divisor of the window.
GROUP_BATCHES = 32


class StreamedReviews(IterableDataset):
    """Training reviews, tokenised while they are read, in another order on every pass.

    The reviews of a batch have similar lengths, so that there is little padding; batches come in random order. A
    corpus that fits into the window is shuffled completely.

    Args:
        sample: The reviews.
        tokenizer: The model's tokenizer.
        max_length: Maximum input length in tokens; the rest of a review is cut off.
        batch_size: Reviews per step.
        seed: Seed of the order.
    """

    def __init__(
        self, sample: TextSample, tokenizer: PreTrainedTokenizerFast, max_length: int, batch_size: int, seed: int
    ) -> None:
        self._sample = sample
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._batch_size = batch_size
        self._seed = seed
        self._passes = 0

    def __len__(self) -> int:
        return len(self._sample)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield tokenised reviews with their special-tokens mask; every ``batch_size`` of them form a batch."""
        random = np.random.default_rng((self._seed, self._passes))
        self._passes += 1
        texts = iter(self._sample)
        group = GROUP_BATCHES * self._batch_size
        while window := list(islice(texts, WINDOW_BATCHES * self._batch_size)):
            order = random.permutation(len(window))
            for start in range(0, len(window), group):
                chosen = [window[index] for index in order[start : start + group]]
                yield from self._grouped(chosen, random)

    def _grouped(self, texts: list[str], random: np.random.Generator) -> Iterator[dict[str, Any]]:
        encoded = self._tokenizer(
            texts, truncation=True, max_length=self._max_length, return_special_tokens_mask=True
        )
        by_length = sorted(range(len(texts)), key=lambda row: -len(encoded["input_ids"][row]))
        batches = [by_length[start : start + self._batch_size] for start in range(0, len(texts), self._batch_size)]
        complete = [batch for batch in batches if len(batch) == self._batch_size]
        # An incomplete batch must come last, or the batches after it would mix lengths.
        for batch in [*(complete[index] for index in random.permutation(len(complete))), *batches[len(complete) :]]:
            for row in batch:
                yield {name: column[row] for name, column in encoded.items()}


@dataclass(frozen=True)
class MlmOutcome:
    """Cost and history of a training; ``tokens`` counts those read in all epochs, without padding."""

    seconds: float
    epochs: float
    tokens: int
    history: list[EpochLog]


def train_masked_lm(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    reviews: StreamedReviews,
    options: MethodOptions,
    *,
    mask_probability: float,
    device: str,
    precision: str,
    progress: Progress,
) -> MlmOutcome:
    """Train a masked language model in place.

    Of the tokens chosen, 80 % are hidden, 10 % replaced by another and 10 % left (Devlin et al., *BERT*, 2019,
    § 3.1); which ones is drawn again on every pass (Liu et al., *RoBERTa*, 2019, § 4.1).

    Args:
        model: A masked language model with its head.
        tokenizer: Its tokenizer.
        reviews: The training reviews.
        options: Resolved options.
        mask_probability: Share of the tokens that is chosen.
        device: From :func:`slmbench.instruments.devices.choose_device`.
        precision: From :func:`slmbench.instruments.devices.choose_precision`.
        progress: Where progress is reported.

    Returns:
        Cost and history.

    Raises:
        SlmbenchError: Memory ran out.
    """
    from transformers import DataCollatorForLanguageModeling

    with tempfile.TemporaryDirectory() as folder:
        arguments = trainer_arguments(Path(folder), options, device=device, precision=precision, save_strategy="no")
        trainer = _trainer_class()(
            model=model,
            args=arguments,
            train_dataset=reviews,
            data_collator=DataCollatorForLanguageModeling(
                tokenizer,
                mlm_probability=mask_probability,
                pad_to_multiple_of=padding_multiple(model.config, tokenizer.model_max_length),
            ),
        )
        seconds = run_trainer(trainer, options, device=device, precision=precision, progress=progress)
    return MlmOutcome(seconds, float(trainer.state.epoch or 0), trainer.tokens, history_of(trainer))


def _trainer_class() -> Any:
    from torch.nn import functional
    from transformers import Trainer

    class MaskedTrainer(Trainer):
        """Runs the head on the chosen tokens only, about a seventh of all."""

        tokens = 0

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs.pop("labels")
            self.tokens += int(inputs["attention_mask"].sum())
            chosen = labels != _NOT_HIDDEN
            with head_sees_only(model, chosen):
                outputs = model(**inputs)
            # A batch of a few short reviews may have no chosen token, and a mean over none is NaN.
            loss = functional.cross_entropy(outputs.logits.float(), labels[chosen], reduction="sum")
            loss = loss / max(1, int(chosen.sum()))
            return (loss, outputs) if return_outputs else loss

    return MaskedTrainer
