"""Drawing K labelled examples per label from the training rows."""

from __future__ import annotations

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.corpora import Corpus, Split


def draw_shots(corpus: Corpus, shots: int, seed: int) -> Split:
    """Draw the same number of training rows of every label.

    The rows come from the training and the validation rows, because with so few examples nothing is selected on
    validation rows.

    Args:
        corpus: The reviews.
        shots: Examples per label.
        seed: Another seed draws other examples.

    Returns:
        The examples in an order that mixes the labels: each label once, then each once more, and so on, the order
        within a round drawn too.

    Raises:
        UsageError: A label has fewer rows.
    """
    if shots < 0:
        raise UsageError(f"--shots must be at least 0, not {shots}")
    sides = (corpus.train, corpus.validation)
    rows = [row for side in sides for row in zip(side.texts, side.labels, side.row_ids, strict=True)]
    by_label: list[list[tuple[str, int, str]]] = [[] for _ in corpus.label_names]
    for row in rows:
        by_label[row[1]].append(row)
    for label, own in zip(corpus.label_names, by_label, strict=True):
        if len(own) < shots:
            raise UsageError(
                f"--shots {shots}: the training rows of {corpus.name} have only {len(own)} labelled '{label}';"
                " ask for fewer shots or a larger --train-size"
            )
    random = np.random.default_rng(seed)
    chosen = [[own[index] for index in random.permutation(len(own))[:shots]] for own in by_label]
    mixed = [chosen[label][turn] for turn in range(shots) for label in random.permutation(len(chosen))]
    texts, labels, row_ids = zip(*mixed, strict=True) if mixed else ((), (), ())
    return Split(list(texts), list(labels), list(row_ids))
