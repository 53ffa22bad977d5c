"""Perplexity of a masked language model, on the same hidden tokens of the same reviews for every model.

The pseudo-perplexity of Salazar et al. (*Masked Language Model Scoring*, 2020) hides one token at a time and takes
as many passes as there are tokens. Here a fixed share of each review is hidden at once, as in training: one pass,
and a larger number, which compares models on these reviews but not with the numbers of other papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.progress import Progress
from slmbench.edge import batches_by_tokens
from slmbench.models.batching import BATCH_TOKENS
from slmbench.models.masked import head_sees_only

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


#: Share of a review's tokens that is hidden; it does not depend on the share in training.
HIDDEN_SHARE = 0.15


@dataclass(frozen=True)
class Blanks:
    """A review with some of its tokens hidden.

    Attributes:
        columns: The tokenizer's output, with the hidden ids replaced by the mask id.
        places: Positions of the hidden tokens, ascending.
        hidden: Their ids.
    """

    columns: dict[str, list[int]]
    places: np.ndarray
    hidden: np.ndarray


def hide_tokens(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[tuple[int, str]], max_length: int
) -> list[Blanks]:
    """Hide 15 % of each review's tokens, at least one.

    Which ones depends on the review and the tokenizer only, so that models with the same tokenizer and length predict
    the same tokens.

    Args:
        tokenizer: The model's tokenizer, with a mask token.
        texts: Pairs of a seed and a review.
        max_length: Maximum input length in tokens.

    Returns:
        The reviews with hidden tokens; reviews without a token to hide are left out.
    """
    made = []
    for key, text in texts:
        columns = dict(
            tokenizer(text, truncation=True, max_length=max_length, return_special_tokens_mask=True).items()
        )
        words = np.flatnonzero(np.asarray(columns.pop("special_tokens_mask")) == 0)
        if not len(words):
            continue
        count = max(1, round(HIDDEN_SHARE * len(words)))
        places = np.sort(np.random.default_rng(key).choice(words, size=count, replace=False))
        ids = np.asarray(columns["input_ids"])
        hidden = ids[places]
        ids[places] = tokenizer.mask_token_id
        made.append(Blanks({**columns, "input_ids": ids.tolist()}, places, hidden))
    return made


def blank_losses(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    blanks: Sequence[Blanks],
    progress: Progress,
    what: str,
) -> list[float]:
    """Return the cross-entropy on each review's hidden tokens.

    Args:
        model: A masked language model; it runs on its own device and in its own precision.
        tokenizer: Its tokenizer.
        blanks: From :func:`hide_tokens`.
        progress: Where progress is reported.
        what: Description of the progress bar.

    Returns:
        Nats, summed over a review's hidden tokens, in the order of ``blanks``.
    """
    import torch
    from torch.nn import functional

    lengths = [len(blank.columns["input_ids"]) for blank in blanks]
    out = np.empty(len(blanks))
    model.eval()
    with progress.task(what, total=len(blanks), unit="reviews") as task, torch.inference_mode():
        for rows in batches_by_tokens(lengths, BATCH_TOKENS):
            batch = tokenizer.pad(
                {name: [blanks[row].columns[name] for row in rows] for name in blanks[rows[0]].columns},
                padding_side="right",  # places are counted from the left
                return_tensors="pt",
            ).to(model.device)
            places = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
            for line, row in enumerate(rows):
                places[line, torch.as_tensor(blanks[row].places)] = True
            truth = torch.as_tensor(np.concatenate([blanks[row].hidden for row in rows])).to(model.device)
            with head_sees_only(model, places):
                logits = model(**batch).logits.float()
            nats = functional.cross_entropy(logits, truth, reduction="none").double().cpu()
            counts = [len(blanks[row].places) for row in rows]
            out[rows] = [float(own.sum()) for own in nats.split(counts)]
            task.advance(len(rows))
    return out.tolist()
