"""The Trainer of classifiers: their losses, and steps that two workers share on a CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.methods.options import MethodOptions
from slmbench.methods.ranks import SHARE, own_rows, processes
from slmbench.methods.training.losses import distillation_loss, weighted_cross_entropy
from slmbench.methods.training.lower_layers import LOWER, LowerLayers

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader
    from transformers import Trainer

#: Column of the examples: to which review a window belongs.
REVIEW = "review"


def trainer_class(
    options: MethodOptions, weights: np.ndarray | None, device: str, lower: LowerLayers | None = None
) -> type[Trainer]:
    """Return a Trainer with the loss of a training; validation rows have no teacher.

    On a CPU two workers learn half of a batch each, on half of the threads, and add up their gradients: neither waits
    for the other at the end of each of hundreds of small operations. A sum of two does not depend on which comes
    first, so that a training still gives the same weights each time. Dropout draws from one generator, in which the
    two would come by chance: with it there is one worker. Processes that train together have one each, too.

    Args:
        options: Resolved options.
        weights: Weight of each class in the loss, shape (labels,); all 1 when not given.
        device: Where the model is trained.
        lower: Layers whose outputs are in the batches.
    """
    import torch
    from transformers import Trainer

    threads = torch.get_num_threads()
    drops = options.dropout or options.given.get("lora_dropout")
    shared = device == "cpu" and threads > 1 and not drops and processes() == 1

    class ClassifierTrainer(Trainer):
        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            inputs.pop(REVIEW, None)
            teacher, share = inputs.pop("teacher_logits", None), inputs.pop(SHARE, None)
            labels = inputs.pop("labels")
            if lower is not None:
                lower.use(inputs.pop(LOWER))
            outputs = model(**inputs)
            if teacher is None:
                loss = weighted_cross_entropy(outputs.logits.float(), labels, weights)
            else:
                soft = (options.temperature or 1.0, options.hard_weight or 0.0)
                loss = distillation_loss(outputs.logits, teacher, labels, *soft, weights)
            loss = loss if share is None else share * loss
            return (loss, outputs) if return_outputs else loss

        def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
            rows = len(inputs["labels"])
            if not shared or rows < 2:
                return super().training_step(model, inputs, num_items_in_batch)
            model.train()

            def learn(first: int) -> torch.Tensor:
                # Neighbours in a batch are of about the same length: each worker gets every other row.
                half = {name: column[first::2] for name, column in inputs.items()}
                share = len(half["labels"]) / rows
                with self.compute_loss_context_manager():
                    loss = share * self.compute_loss(model, half)
                loss.backward()
                return loss.detach()

            losses = list(self._workers.map(learn, range(2)))
            return losses[0] + losses[1]

        def get_train_dataloader(self) -> DataLoader[Any]:
            return own_rows(super().get_train_dataloader())

        def _save_rng_state(self, output_dir: str) -> None:
            if self.args.should_save:
                super()._save_rng_state(output_dir)

        def train(self, *given: Any, **named: Any) -> Any:
            with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(threads // 2,)) as self._workers:
                try:
                    return super().train(*given, **named)
                finally:
                    torch.set_num_threads(threads)

    return ClassifierTrainer
