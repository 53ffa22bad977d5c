"""A prompt as an ordinary classifier folder, which export, predict and profile use like any other.

The logit of a label's first token after the prompt is the last hidden state times that token's row of the output
matrix. So a sequence classifier with these rows as its head gives the same logits if its tokenizer puts the prompt's
tokens around every text.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.methods.fewshot.prompting.language_models import LanguageModel
from slmbench.methods.fewshot.prompting.prompts import FittedFrame, frame_tokens
from slmbench.models import ModelFiles, load_classifier, load_tokenizer
from slmbench.models.configuration import set_labels

#: Maximum size of the weights in fp32: an ONNX file is a protobuf message, which is limited to 2 GiB.
MAX_BYTES = 2**31
#: Maximum difference between the logits of the folder and of the prompt; fp32 sums differ by less.
TOLERANCE = 1e-3
#: Test reviews on which that is checked.
CHECKED_REVIEWS = 8


def write_classifier(
    loaded: LanguageModel,
    fitted: FittedFrame,
    first_tokens: Sequence[int],
    labels: list[str],
    folder: Path,
) -> str | None:
    """Write the model folder of a prompted decoder.

    Args:
        loaded: The decoder; the classifier uses its modules.
        fitted: The prompt.
        first_tokens: For each label, the token whose logit is its score.
        labels: Label names in id order.
        folder: Where to write.

    Returns:
        Why the prompt cannot be a classifier, or ``None`` if it was written.
    """
    import torch
    from torch import nn
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoModelForSequenceClassification

    model = loaded.model
    config = copy.deepcopy(model.config)
    pad = loaded.tokenizer.pad_token_id
    if 4 * sum(parameter.numel() for parameter in model.parameters()) >= MAX_BYTES:
        return "its weights in fp32 are larger than the 2 GiB of an ONNX file"
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return f"transformers has no sequence classifier for architecture '{config.model_type}'"
    after = frame_tokens(loaded.tokenizer, fitted.frame)[1]
    if not after or after[-1] == pad:
        return "the prompt ends with padding or with the review"
    set_labels(config, labels)
    # The head uses the last token that is not padding.
    config.pad_token_id = pad
    with torch.device("meta"):
        classifier = AutoModelForSequenceClassification.from_config(config)
    head, output = getattr(classifier, "score", None), model.get_output_embeddings()
    if not isinstance(head, nn.Linear) or head.bias is not None or getattr(output, "bias", None) is not None:
        return f"the classifier head of architecture '{config.model_type}' is not a single matrix"
    setattr(classifier, classifier.base_model_prefix, model.base_model)
    rows = output.weight.detach()[list(first_tokens)].clone()
    classifier.score = nn.Linear(rows.shape[1], rows.shape[0], bias=False)
    classifier.score.weight = nn.Parameter(rows, requires_grad=False)
    classifier.save_pretrained(folder, safe_serialization=True)
    _classifier_tokenizer(loaded.tokenizer, fitted).save_pretrained(folder)
    return None


def check_classifier(
    folder: Path,
    labels: list[str],
    longest: int,
    texts: Sequence[str],
    prompts: Sequence[Sequence[int]],
    logits: np.ndarray,
) -> str | None:
    """Load a model folder and compare it with the prompt it was written from.

    Args:
        folder: The folder.
        labels: Label names in id order.
        longest: Maximum prompt in tokens.
        texts: The test reviews.
        prompts: Token ids of their prompts.
        logits: Their scores, shape (reviews, labels).

    Returns:
        What differs, or ``None``.
    """
    import torch

    tokenizer = load_tokenizer(folder, max_length=longest)
    own = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    different = sum(ids != list(prompt) for ids, prompt in zip(own, prompts, strict=True))
    if different:
        return f"for {different} of {len(texts)} reviews its tokenizer gives other tokens than the prompt"
    classifier = load_classifier(ModelFiles(str(folder), folder, "directory"), labels).eval()
    batch = tokenizer.pad({"input_ids": own[:CHECKED_REVIEWS]}, return_tensors="pt")
    with torch.inference_mode():
        again = classifier(**batch).logits.numpy()
    difference = float(np.abs(again - logits[:CHECKED_REVIEWS]).max())
    return f"its logits differ by {difference:.2g}" if difference > TOLERANCE else None


def _classifier_tokenizer(tokenizer: Any, fitted: FittedFrame) -> Any:
    """Return a tokenizer that puts the prompt's tokens around every text; truncation includes them."""
    from tokenizers import Tokenizer, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    before, after = frame_tokens(tokenizer, fitted.frame)
    pieces = {"[BEFORE]": before, "[AFTER]": after}
    backend.post_processor = processors.TemplateProcessing(
        single=" ".join(f"{name}:0" if name in pieces else name for name in ("[BEFORE]", "$A:0", "[AFTER]")),
        special_tokens=[
            {"id": name, "ids": ids, "tokens": [backend.id_to_token(token) for token in ids]}
            for name, ids in pieces.items()
        ],
    )
    lead = fitted.frame.before[len(fitted.frame.before.rstrip(" ")) :]
    steps = [normalizers.Strip(), *([normalizers.Prepend(lead)] if lead else [])]
    if backend.normalizer is not None:
        steps.append(backend.normalizer)
    backend.normalizer = normalizers.Sequence(steps)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=tokenizer.pad_token,
        padding_side="right",
        truncation_side="right",
        model_max_length=fitted.longest,
        model_input_names=["input_ids", "attention_mask"],  # GPT-2 treats token types as words
        clean_up_tokenization_spaces=False,
    )
