"""What a smaller vocabulary changes: the answers to test reviews with a piece that was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.formatting import counted
from slmbench.common.progress import Progress
from slmbench.methods.training.inference import classifier_logits
from slmbench.models.long_texts import long_texts_of
from slmbench.models.vocabulary import TrimmedVocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class TrimmingEffect:
    """How a classifier with a smaller vocabulary compares with the same one with its whole vocabulary.

    Attributes:
        pieces: Pieces that stayed.
        whole_pieces: Pieces that there were.
        test_reviews: Test reviews.
        with_other_pieces: Test reviews with a piece that was left out, which is spelled with shorter ones; all others
            get the same tokens, and therefore the same answers.
        labels_changed: Of those, how many get another label than with the whole vocabulary.
    """

    pieces: int
    whole_pieces: int
    test_reviews: int
    with_other_pieces: int
    labels_changed: int

    def sentence(self) -> str:
        """Say what stayed and what it changes."""
        return (
            f"the vocabulary has {self.pieces:,} of {self.whole_pieces:,} pieces: {self.with_other_pieces:,} of"
            f" {counted(self.test_reviews, 'test review')} have others, which are spelled with shorter ones, and"
            f" {self.labels_changed:,} of their labels differ from those with the whole vocabulary"
        )


def effect_of_trimming(
    trimmed: TrimmedVocabulary,
    model: PreTrainedModel,
    texts: list[str],
    logits: np.ndarray,
    max_length: int,
    progress: Progress,
) -> TrimmingEffect:
    """Compare a trained classifier with the same one that has the rest of its vocabulary back.

    Rows of the embedding table that were left out are those from before the training, in which no text has them.

    Args:
        trimmed: What was left out.
        model: The trained classifier.
        texts: The test reviews.
        logits: Its logits on them, shape (texts, labels).
        max_length: Maximum input length in tokens.
        progress: Where progress is reported.
    """
    places = trimmed.places_of_other_pieces(texts, max_length, long_texts_of(model.config))
    changed = 0
    if places:
        others = [texts[place] for place in places]
        what = "comparing with the whole vocabulary"
        whole = classifier_logits(trimmed.restored(model), trimmed.whole, others, max_length, progress, what)
        changed = int((whole.argmax(-1) != logits[places].argmax(-1)).sum())
    return TrimmingEffect(len(trimmed.kept), len(trimmed.table), len(texts), len(places), changed)
