"""A classifier of an encoder and a head of our own, kept as an ordinary Hugging Face folder.

``config.json`` is the encoder's with its labels and one key more, ``slmbench_head``, which says what the head is.
The encoder's weights stand under the names that transformers gives them, so every ``AutoModel`` class reads them
from the folder; the head's are ``head.*``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from slmbench.models.configuration import HEAD_KEY, set_labels


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over the tokens of each review that are not padding.

    Args:
        values: Shape (reviews, tokens, width).
        mask: 1 for tokens, 0 for padding, shape (reviews, tokens).

    Returns:
        Shape (reviews, width).
    """
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(1) / weights.sum(1).clamp(min=1)


class PooledHead(nn.Module):
    """Mean of the tokens, brought to length 1 where wanted, then one linear layer.

    It computes the same as a sentence-transformers model with mean pooling and a linear classifier on its vectors.

    Args:
        hidden_size: Width of the encoder.
        labels: How many there are.
        normalize: Divide the mean by its Euclidean length.
    """

    kind = "pooled"

    def __init__(self, hidden_size: int, labels: int, normalize: bool = False) -> None:
        super().__init__()
        self.normalize = normalize
        self.linear = nn.Linear(hidden_size, labels)

    @property
    def settings(self) -> dict[str, Any]:
        """What ``config.json`` says of the head."""
        return {"kind": self.kind, "normalize": self.normalize}

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (reviews, labels), from the encoder's outputs, shape (reviews, tokens, width)."""
        pooled = masked_mean(tokens, mask)
        return self.linear(functional.normalize(pooled, dim=-1) if self.normalize else pooled)


class SpaceHead(nn.Module):
    """Study 002's head: every label has a concept space, into which each token is projected.

    C_k = tanh(E P_k), the mean of each C_k over the tokens, all means side by side, one linear layer (Tytarenko &
    Amin, arXiv 2401.16638). Padding never counts here; the study's mean counted it.

    Args:
        hidden_size: Width of the encoder.
        labels: How many there are: K.
        latents: Dimensions of a space: m.
    """

    kind = "space"

    def __init__(self, hidden_size: int, labels: int, latents: int) -> None:
        super().__init__()
        self.latents = latents
        #: The K bias-free projections in one product: columns k·m to (k+1)·m - 1 are space k.
        self.spaces = nn.Linear(hidden_size, labels * latents, bias=False)
        self.classifier = nn.Linear(labels * latents, labels)

    @property
    def settings(self) -> dict[str, Any]:
        """What ``config.json`` says of the head."""
        return {"kind": self.kind, "latents": self.latents}

    def concepts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return where tokens lie in the spaces: shape (..., width) to (..., labels x latents), in (-1, 1)."""
        return torch.tanh(self.spaces(tokens))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (reviews, labels), from the encoder's outputs, shape (reviews, tokens, width)."""
        return self.classifier(masked_mean(self.concepts(tokens), mask))


_HEADS: dict[str, type[PooledHead | SpaceHead]] = {head.kind: head for head in (PooledHead, SpaceHead)}


class HeadedClassifier(PreTrainedModel):
    """An encoder and a head; answers like any sequence classifier of transformers.

    Make one with :func:`put_head`, keep it with ``save_pretrained``, and read it back with
    :func:`slmbench.models.load_classifier`.
    """

    config_class = PretrainedConfig
    # Attention is the business of the encoder inside: every implementation that it has can be chosen.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True

    def __init__(
        self,
        config: PretrainedConfig,
        encoder: PreTrainedModel | None = None,
        head: PooledHead | SpaceHead | None = None,
    ) -> None:
        """Build a classifier after its configuration, with random weights where no parts are given.

        Args:
            config: The encoder's, with the key ``slmbench_head``.
            encoder: Used instead of a new one made from the configuration.
            head: Likewise.
        """
        made = [part for part in (encoder, head) if part is not None]
        if encoder is None:
            encoder = without_pooler(AutoModel.from_config(config))
            config = encoder.config  # it says which attention was chosen
        if head is None:
            settings = dict(getattr(config, HEAD_KEY))
            head = _HEADS[settings.pop("kind")](config.hidden_size, config.num_labels, **settings)
        super().__init__(config)
        self.base_model_prefix = encoder.base_model_prefix
        self.add_module(encoder.base_model_prefix, encoder)
        self.head = head
        for part in made:
            for module in part.modules():
                module._is_hf_initialized = True  # or transformers would initialise the weights again
        self.post_init()

    @property
    def encoder(self) -> PreTrainedModel:
        """The model below the head."""
        return getattr(self, self.base_model_prefix)

    def _init_weights(self, module: nn.Module) -> None:
        # For heads of other labels than those wanted; an encoder has a method of its own.
        if isinstance(module, nn.Linear):
            module.reset_parameters()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        """Classify reviews.

        Args:
            input_ids: Token ids, shape (reviews, tokens).
            attention_mask: 1 for tokens, 0 for padding; all ones when not given.
            token_type_ids: For encoders that know them.
            labels: Label ids; then the loss is their cross-entropy.
            **others: Ignored; the Trainer passes such things as ``num_items_in_batch``.

        Returns:
            Logits, shape (reviews, labels).
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        tokens = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types)[0]
        logits = self.head(tokens, attention_mask)
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def put_head(encoder: PreTrainedModel, head: PooledHead | SpaceHead, labels: list[str]) -> HeadedClassifier:
    """Return the classifier of an encoder and a head; both are used, not copied.

    Args:
        encoder: From :func:`slmbench.models.load_encoder`.
        head: With as many outputs as there are labels.
        labels: Label names in id order.
    """
    config = encoder.config
    set_labels(config, labels)
    setattr(config, HEAD_KEY, head.settings)
    return HeadedClassifier(config, encoder, head)


def without_pooler(encoder: PreTrainedModel) -> PreTrainedModel:
    """Take the layer above the first token off an encoder: no head here reads it, and often it is random."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder
