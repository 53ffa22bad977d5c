"""All shards together: counts, and how far they are from what the bundle was tested on."""

from __future__ import annotations

from collections import Counter

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.records.scoring import SCORE_BINS, ScoringRecord, Tally
from slmbench.scoring.shards import read_manifests
from slmbench.scoring.stores import Store
from slmbench.statistics.drift import Shift, population_stability


def summarise(store: Store, work: ScoringRecord) -> ScoringRecord:
    """Return the record of a scoring whose shards are all done, with its summary.

    Raises:
        SlmbenchError: A shard has no manifest.
    """
    labels: Counter[str] = Counter(dict.fromkeys(work.bundle.labels, 0))
    scores = np.zeros(SCORE_BINS, dtype=np.int64)
    words = np.zeros(len(work.reference.words), dtype=np.int64)
    rows = answered = rejected = 0
    for number, manifest in enumerate(read_manifests(store, work, range(work.shards))):
        if manifest is None:
            raise SlmbenchError(f"{work.path} lacks shard {number:,}: run the same command again")
        tally = manifest.tally
        rows, answered, rejected = rows + tally.rows, answered + tally.answered, rejected + tally.rejected
        labels.update(tally.labels)
        scores += tally.scores
        words += tally.words
    total = Tally(
        rows=rows,
        answered=answered,
        rejected=rejected,
        labels=dict(labels),
        scores=scores.tolist(),
        words=words.tolist(),
    )
    return work.model_copy(update={"summary": total, "drift": _drift(work, total)})


def _drift(work: ScoringRecord, total: Tally) -> dict[str, Shift]:
    """Return the stability index of labels, scores and lengths against the bundle's own reviews."""
    before = work.reference
    names = list(total.labels)
    found = {
        "labels": population_stability([before.labels.get(name, 0) for name in names], list(total.labels.values())),
        "scores": population_stability(_tenths(before.scores), _tenths(total.scores)),
        "words": population_stability(before.words, total.words),
    }
    return {what: shift for what, shift in found.items() if shift is not None}


def _tenths(scores: list[int]) -> list[int]:
    """Return counts by tenths: the index is meant for about ten parts."""
    return np.reshape(scores, (10, -1)).sum(1).tolist()
