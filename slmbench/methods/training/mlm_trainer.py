"""Masked-language-model training through the Hugging Face Trainer."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.methods.training.trainer import history_of, run_trainer, trainer_arguments
from slmbench.models.masked import head_sees_only

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from slmbench.common.progress import Progress
    from slmbench.methods.options import MethodOptions
    from slmbench.methods.training.mlm_reading import StreamedReviews
    from slmbench.records import EpochLog

#: Label of tokens that were not hidden.
_NOT_HIDDEN = -100


@dataclass(frozen=True)
class MlmOutcome:
    """What a training leaves beside the weights; ``tokens`` counts those read, over all epochs, without padding."""

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
    § 3.1); which ones is drawn anew on every pass (Liu et al., *RoBERTa*, 2019, § 4.1).

    Args:
        model: With its head.
        tokenizer: Of the model.
        reviews: What to learn from.
        options: Resolved options.
        mask_probability: Share of the tokens chosen.
        device: From :func:`slmbench.instruments.devices.choose_device`.
        precision: From :func:`slmbench.instruments.devices.choose_precision`.
        progress: Where to say how far it is.

    Returns:
        Cost and history.

    Raises:
        SlmbenchError: Memory ran out.
    """
    from transformers import DataCollatorForLanguageModeling

    with tempfile.TemporaryDirectory() as folder:
        arguments = trainer_arguments(Path(folder), options, device=device, precision=precision, save_strategy="no")
        arguments._n_gpu = min(arguments.n_gpu, 1)  # the hook on the head knows of one copy of the model
        trainer = _trainer_class()(
            model=model,
            args=arguments,
            train_dataset=reviews,
            data_collator=DataCollatorForLanguageModeling(
                tokenizer, mlm_probability=mask_probability, pad_to_multiple_of=16
            ),
        )
        seconds = run_trainer(trainer, options, device=device, precision=precision, progress=progress)
    return MlmOutcome(seconds, float(trainer.state.epoch or 0), trainer.tokens, history_of(trainer))


def _trainer_class() -> Any:
    from torch.nn import functional
    from transformers import Trainer

    class MaskedTrainer(Trainer):
        """Asks the head about the tokens chosen, a seventh of them, where the model itself would ask about all."""

        tokens = 0

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs.pop("labels")
            self.tokens += int(inputs["attention_mask"].sum())
            chosen = labels != _NOT_HIDDEN
            with head_sees_only(model, chosen):
                outputs = model(**inputs)
            # A batch of a few short reviews may have no token chosen, and a mean over none is no number.
            loss = functional.cross_entropy(outputs.logits.float(), labels[chosen], reduction="sum")
            loss = loss / max(1, int(chosen.sum()))
            return (loss, outputs) if return_outputs else loss

    return MaskedTrainer
