"""A smaller embedding table: pieces that a corpus never uses take the rows of similar ones.

The tokenizer stays as it is, so that every text keeps its tokens and their places, whatever the kind of tokenizer. A
piece that no text of the corpus uses gets the row of the used piece that is nearest to its own (cosine). Export
writes each row once, with the row of every piece beside it (:mod:`slmbench.export.repeated_rows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.formatting import counted
from slmbench.common.progress import Progress
from slmbench.methods.training.inference import classifier_logits
from slmbench.models.long_texts import encode_texts, long_texts_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

#: Texts that are tokenised at once, and rows that are compared with all others at once.
_AT_ONCE = 1000


@dataclass(frozen=True)
class SharingEffect:
    """How a classifier whose unused pieces share rows compares with the same one before that.

    Attributes:
        pieces: Pieces with a row of their own.
        whole_pieces: Pieces that there are.
        test_reviews: Test reviews.
        with_other_pieces: Test reviews with a piece that shares a row; the answers to all others are the same.
        labels_changed: Of those, how many get another label than before.
    """

    pieces: int
    whole_pieces: int
    test_reviews: int
    with_other_pieces: int
    labels_changed: int

    def sentence(self) -> str:
        """Say what is shared and what it changes."""
        return (
            f"{self.pieces:,} of {self.whole_pieces:,} pieces have a row of their own: {self.with_other_pieces:,} of"
            f" {counted(self.test_reviews, 'test review')} have others, and {self.labels_changed:,} of their labels"
            " differ from those with a row for each piece"
        )


def share_unused_rows(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    test: Sequence[str],
    max_length: int,
    progress: Progress,
) -> SharingEffect:
    """Give pieces that texts do not use the rows of those that they do.

    Args:
        model: A trained classifier; its embedding table is changed.
        tokenizer: Its tokenizer. Its special and added tokens keep their rows and lend them to none.
        texts: The texts of the corpus, of which every token counts, also beyond the length that a model reads.
        test: The test reviews.
        max_length: Maximum input length in tokens.
        progress: Where progress is reported.

    Returns:
        What stayed, and what it changes on the test reviews.
    """
    import torch

    table = model.get_input_embeddings().weight
    own = sorted({*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()} & set(range(len(table))))
    with progress.task("looking for the pieces that the corpus uses"):
        used = used_pieces(tokenizer, texts, len(table))
    lending = used.copy()
    lending[own] = False
    used[own] = True
    places = _places_without(used, tokenizer, test, max_length, long_texts_of(model.config))
    changed = 0
    before = _labels(model, tokenizer, test, places, max_length, progress)
    if lending.any():
        with torch.no_grad():
            table[~used] = table[_nearest(table.detach(), np.flatnonzero(~used), np.flatnonzero(lending))]
        changed = int((_labels(model, tokenizer, test, places, max_length, progress) != before).sum())
    return SharingEffect(int(used.sum()), len(table), len(test), len(places), changed)


def used_pieces(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], pieces: int) -> np.ndarray:
    """Return which pieces texts use, shape (pieces,), bool; texts are neither cut nor padded."""
    from tokenizers import Tokenizer

    counting = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    counting.no_truncation()
    counting.no_padding()
    used = np.zeros(pieces, dtype=bool)
    for start in range(0, len(texts), _AT_ONCE):
        for encoding in counting.encode_batch(list(texts[start : start + _AT_ONCE])):
            used[encoding.ids] = True
    return used


def _nearest(table: torch.Tensor, rows: np.ndarray, candidates: np.ndarray) -> torch.Tensor:
    """Return for each of some rows of a table which of the candidates has the largest cosine with it."""
    import torch

    unit = torch.nn.functional.normalize(table.float())
    others = unit[torch.from_numpy(candidates)]
    found = [(unit[part] @ others.T).argmax(1) for part in torch.from_numpy(rows).split(_AT_ONCE)]
    return torch.from_numpy(candidates).to(table.device)[torch.cat(found)] if found else torch.empty(0, dtype=int)


def _places_without(
    used: np.ndarray, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_length: int, how: str
) -> list[int]:
    """Return the places of the texts that have other than the used pieces, in what is read of them."""
    encoded = encode_texts(tokenizer, texts, max_length, how)
    rows = zip(encoded.columns["input_ids"], encoded.texts.tolist(), strict=True)
    return sorted({text for ids, text in rows if not used[ids].all()})


def _labels(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    places: Sequence[int],
    max_length: int,
    progress: Progress,
) -> np.ndarray:
    """Return the labels of some of the texts."""
    if not places:
        return np.empty(0)
    others, what = [texts[place] for place in places], "comparing with a row for each piece"
    return classifier_logits(model, tokenizer, others, max_length, progress, what).argmax(-1)
