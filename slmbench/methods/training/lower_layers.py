"""Training only the upper layers of an encoder: the outputs of the lower ones are computed once and read from disk.

The lower layers stay in the model, and are what they were; while it trains, they hand on what was computed. Their
dropout is off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.methods.training.features import encoder_outputs

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

#: Column of the examples: which entry of the outputs is theirs.
PLACE = "place"
#: Key of a batch: the outputs of the lower layers on it.
LOWER = "lower_outputs"
#: From places among the inputs and a number of tokens to their outputs, padded to it.
LowerOutputs = Callable[[Sequence[int], int], "torch.Tensor"]


class _ReachedError(Exception):
    """Ends a forward pass at the layer whose output is wanted."""


class LowerLayers:
    """The first layers of a classifier, frozen, with all that comes before them.

    Args:
        model: A sequence classifier, plain or wrapped by peft; its layers above, pooler and head stay as they are.
        count: How many layers.

    Raises:
        UsageError: The model has no such layers.
    """

    def __init__(self, model: PreTrainedModel, count: int) -> None:
        from torch import nn

        self._model, self._count = model, count
        classifier = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._encoder = classifier.base_model
        whole = getattr(self._encoder.config, "num_hidden_layers", 0)
        lists = [one for one in self._encoder.modules() if isinstance(one, nn.ModuleList) and len(one) == whole]
        if not lists:
            raise UsageError(
                f"--frozen-layers: the layers of '{self._encoder.config.model_type}' share their weights"
            )
        if count >= whole:
            raise UsageError(f"--frozen-layers {count}: the model has {whole} layers, of which one has to be trained")
        self._layers = lists[0][:count]
        above = [*lists[0][count:], *(part for name, part in self._encoder.named_children() if name == "pooler")]
        kept = {id(weights) for part in above for weights in part.parameters()}
        for weights in self._encoder.parameters():
            if id(weights) not in kept:
                weights.requires_grad_(False)
        self._output: Any = None
        self._here = threading.local()

    def __reduce__(self) -> tuple[type[LowerLayers], tuple[PreTrainedModel, int]]:
        """Let other processes that train the model have them too."""
        return LowerLayers, (self._model, self._count)

    @property
    def config(self) -> Any:
        """Configuration of the encoder; with the next three what ``encoder_outputs`` needs to know of one."""
        return self._encoder.config

    @property
    def device(self) -> Any:
        """Where the model is."""
        return self._model.device

    def eval(self) -> None:
        """Turn dropout off."""
        self._model.eval()

    def __call__(self, **batch: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the output of the last of the layers, shape (rows, tokens, width).

        Raises:
            UsageError: It has another shape.
        """
        hook = self._layers[-1].register_forward_hook(self._reached)
        try:
            self._encoder(**batch)
        except _ReachedError:
            pass
        finally:
            hook.remove()
        hidden = self._output[0] if isinstance(self._output, tuple) else self._output
        if hidden.shape[:2] != batch["input_ids"].shape:
            raise UsageError(
                f"--frozen-layers: layers of '{self.config.model_type}' cannot be left out of a training"
            )
        return (hidden,)

    def _reached(self, layer: Any, given: Any, output: Any) -> NoReturn:
        self._output = output
        raise _ReachedError

    def outputs(self, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], **how: Any) -> LowerOutputs:
        """Compute the outputs on texts, or find them in the cache.

        Args:
            tokenizer: The model's.
            texts: The texts.
            **how: Further arguments of ``encoder_outputs``.

        Returns:
            From places among the inputs and the length of a batch to the padded outputs, fp32.

        Raises:
            UsageError: A layer of this architecture hands on something else than a vector of each token.
        """
        import torch

        with torch.no_grad():  # also where all is in the cache: the form of a layer's output is wanted
            self(**tokenizer([""], return_tensors="pt").to(self.device))
        how["weights_sha256"] += f" {len(self._layers)} layers"
        found = encoder_outputs(self, tokenizer, texts, kept="tokens", **how)
        left = tokenizer.padding_side == "left"

        def padded(places: Sequence[int], tokens: int) -> torch.Tensor:
            batch = torch.zeros(len(places), tokens, found.width)
            for row, place in zip(batch, places, strict=True):
                found.read(np.array([place]), row[tokens - found.lengths[place] :] if left else row)
            return batch

        return padded

    def use(self, outputs: torch.Tensor) -> None:
        """Let this thread's next forward pass begin with these outputs."""
        self._here.now = outputs

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Within the block, the layers hand on what was given to :meth:`use`."""
        rest = len(self._output) - 1 if isinstance(self._output, tuple) else None

        def hand_on(hidden: torch.Tensor, *others: Any, **named: Any) -> Any:
            outputs = self._here.now.to(hidden.dtype)
            return outputs if rest is None else (outputs, *([None] * rest))

        for layer in self._layers:
            layer.forward = hand_on
        try:
            yield
        finally:
            for layer in self._layers:
                del layer.forward


def with_lower_outputs(
    collate: Callable[[list[dict[str, Any]]], Any], outputs: LowerOutputs, examples: Sequence[dict[str, Any]]
) -> Callable[[list[dict[str, Any]]], Any]:
    """Return a collator whose batches have the outputs of the lower layers.

    Args:
        collate: From examples to a padded batch.
        outputs: From :meth:`LowerLayers.outputs`.
        examples: All examples, in the order of the inputs there; each is given its place.
    """
    for place, example in enumerate(examples):
        example[PLACE] = place

    def batch(rows: list[dict[str, Any]]) -> Any:
        columns = collate([{name: value for name, value in row.items() if name != PLACE} for row in rows])
        columns[LOWER] = outputs([row[PLACE] for row in rows], columns["input_ids"].shape[1])
        return columns

    return batch
