"""From what a model thinks of the label words to a label: the rule of this package and that of study 000."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slmbench.methods.fewshot.study_000 import TOP_N

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.methods.fewshot.cloze_model import WordScores

#: Logit of a label that a rule without scores rejects; its probability is 0 in every digit a record keeps.
_REJECTED = -20.0


class Decision(NamedTuple):
    """Answers to the test rows.

    Attributes:
        logits: Scores, shape (rows, labels); the highest is the answer.
        abstained: Indices of rows without an answer.
        inherited: How many rows took over the answer of another run.
    """

    logits: np.ndarray
    abstained: list[int]
    inherited: int = 0


def by_likeliest_word(scores: WordScores, columns: Sequence[Sequence[int]], top_n: int | None) -> Decision:
    """Give each row the label of its likeliest word.

    A label's logit is the log-probability of its likeliest word, so a label gains nothing from having many words.

    Args:
        scores: What the model thinks of the words.
        columns: For each label, which columns of the scores are its words.
        top_n: Give no label where none of the words is among so many likeliest tokens of the vocabulary.
    """
    logits = np.stack([scores.log_probabilities[:, own].max(1) for own in map(list, columns)], axis=1)
    if top_n is None:
        return Decision(logits, [])
    return Decision(logits, np.flatnonzero(scores.ranks.min(1) >= top_n).tolist())


def by_study_000(
    scores: WordScores, positive: int, truth: Sequence[int], labelled: int, inherited: np.ndarray | None
) -> Decision:
    """Decide as study 000 did: *positive* if it is among the 30 likeliest tokens, else *negative* if that is.

    The rule has no scores; the logits say yes or no.

    Args:
        scores: What the model thinks of the two labels' words, in label order.
        positive: Id of the positive label, 0 or 1.
        truth: True label ids.
        labelled: So many rows at the start get their true label.
        inherited: Label ids, -1 for none, that undecided rows take over; ``None`` leaves them undecided.
    """
    found = scores.ranks < TOP_N
    own = np.where(found[:, positive], positive, np.where(found[:, 1 - positive], 1 - positive, -1))
    own[:labelled] = truth[:labelled]
    said = own if inherited is None else np.where(own < 0, inherited, own)
    logits = np.zeros((len(said), 2), dtype=np.float32)
    logits[said == 0, 1] = logits[said == 1, 0] = _REJECTED
    return Decision(logits, np.flatnonzero(said < 0).tolist(), int((said != own).sum()))
