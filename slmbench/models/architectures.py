"""What is particular about each encoder family: where LoRA goes, which recipe is its own."""

from __future__ import annotations

from dataclasses import dataclass

from slmbench.common.errors import UsageError

#: Weighted layers of attention that LoRA adapts by default: query and value (Hu et al. 2021, §7.1).
_QUERY_VALUE = ("query", "value")


#: Families that number positions from padding_idx + 1, and that index, ``None`` where it is ``pad_token_id``.
_FIRST_POSITIONS = {"roberta": None, "xlm-roberta": None, "camembert": None, "mpnet": 1}
#: Padding id of the published models of those families.
_PUBLISHED_PAD_ID = 1


@dataclass(frozen=True)
class Architecture:
    """Facts about one Hugging Face ``model_type``.

    Attributes:
        model_type: As in ``config.json``.
        lora_targets: Module name endings that LoRA adapts by default.
        study_001_targets: Targets of study 001's recipe where it has one; such models take that recipe
            (r 4, alpha 32, dropout 0.01, learning rate 1e-3, batch 4) as their LoRA default.
    """

    model_type: str
    lora_targets: tuple[str, ...]
    study_001_targets: tuple[str, ...] = ()


_ARCHITECTURES = {
    item.model_type: item
    for item in (
        Architecture("bert", _QUERY_VALUE),
        Architecture("distilbert", ("q_lin", "v_lin"), study_001_targets=("q_lin",)),
        # ALBERT's layers share one set of weights: its single feed-forward layer is the study's target.
        Architecture("albert", _QUERY_VALUE, study_001_targets=("ffn",)),
        Architecture("electra", _QUERY_VALUE),
        Architecture("mpnet", ("attn.q", "attn.v")),
        Architecture("roberta", _QUERY_VALUE),
        Architecture("xlm-roberta", _QUERY_VALUE),
        Architecture("camembert", _QUERY_VALUE),
        Architecture("deberta-v2", ("query_proj", "value_proj")),
        # XLNet keeps q, k, v as bare parameters, which LoRA cannot wrap: its feed-forward layers are adapted.
        Architecture("xlnet", ("ff.layer_1", "ff.layer_2")),
        Architecture("modernbert", ("attn.Wqkv",)),
    )
}


def unused_positions(model_type: str, pad_token_id: int | None = None) -> int:
    """Return how many rows of a position table no token ever uses.

    Args:
        model_type: As in ``config.json``.
        pad_token_id: Likewise; that of the published models when ``None``.
    """
    if model_type not in _FIRST_POSITIONS:
        return 0
    own = _PUBLISHED_PAD_ID if pad_token_id is None else pad_token_id
    fixed = _FIRST_POSITIONS[model_type]
    return (own if fixed is None else fixed) + 1


def architecture_of(model_type: str) -> Architecture | None:
    """Return the facts about a model type, or ``None`` when there are none."""
    return _ARCHITECTURES.get(model_type)


def lora_targets(model_type: str) -> tuple[str, ...]:
    """Return the modules LoRA adapts by default.

    Raises:
        UsageError: The architecture is unknown here, so the targets must be named.
    """
    architecture = architecture_of(model_type)
    if architecture is None:
        raise UsageError(
            f"no default LoRA targets are known for architecture '{model_type}': name them with --lora-targets"
        )
    return architecture.study_001_targets or architecture.lora_targets
