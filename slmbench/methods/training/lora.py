"""LoRA through peft: wrap a classifier, and merge the adapters back for export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.errors import UsageError, require_extra

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from slmbench.methods.options import MethodOptions


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
        # Named, not left to peft's guess: a head it misses would stay at its random start and be lost on reload.
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
