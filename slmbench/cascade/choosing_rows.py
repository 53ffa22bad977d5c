"""Which reviews choose the threshold: labelled ones that neither member was trained on, and no test rows.

A model is surer of reviews that it was trained on, so a threshold chosen there routes too little. Samples of a corpus
nest, so the rest of the training pool beyond both members' samples is unseen by both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from slmbench.cascade.members import Member
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus, Split, load_corpus
from slmbench.methods.known_methods import picks_epoch
from slmbench.methods.runs.ancestry import recall
from slmbench.records.predictions import hash_rows

#: Recommended minimum: with 200 reviews a share of 90 % is known to ±4 points.
ENOUGH_REVIEWS = 200


@dataclass(frozen=True)
class CascadeRows:
    """The reviews of a cascade, labels as ids in the small member's order.

    Attributes:
        test: The test rows of both members.
        confirmation: Rows that choose nothing.
        validation: The rows that choose the threshold; ``None`` when there are none.
        kind: ``unseen`` by both members, or ``validation``: some picked an epoch of one of them.
    """

    test: Split
    confirmation: Split
    validation: Split | None
    kind: Literal["unseen", "validation"]


def load_rows(small: Member, large: Member, limit: int, progress: Progress) -> CascadeRows:
    """Load the test rows and the rows that choose the threshold.

    Rows that neither member has seen come first. Where fewer than :data:`ENOUGH_REVIEWS` are left, rows are taken
    that neither was trained on, among them validation rows that picked an epoch.

    Args:
        small: The small member.
        large: The large member.
        limit: Maximum number of rows that choose.
        progress: Told what is fetched and read.

    Raises:
        SlmbenchError: The corpus cannot be loaded again, or has changed.
    """
    with progress.task("reading the corpus"):
        corpora = [_reload(member, progress) for member in (small, large)]
        options = {**small.corpus.options, "train_size": "all", "validation_fraction": 0.0, "unlabelled_size": 0}
        pool = _load(options, progress).train
    met, learned = set(), set()
    for member, corpus in zip((small, large), corpora, strict=True):
        taught = _digests(corpus.train.row_ids) | set(corpus.unlabelled_ids)
        held_out = _digests(corpus.validation.row_ids)
        # What the base or teacher was trained on, the member was trained on.
        ancestry = recall(member.folder, member.record, progress)
        taught |= ancestry.text_ids() - held_out
        met |= taught | held_out
        learned |= taught if picks_epoch(member.record.method) else taught | held_out
    unseen = pool.without(met, limit)
    kind: Literal["unseen", "validation"] = "unseen"
    if len(unseen) < ENOUGH_REVIEWS:
        rest = pool.without(learned, limit)
        if len(rest) > len(unseen):
            unseen, kind = rest, "validation"
    names, order = corpora[0].label_names, small.labels
    validation = _relabelled(unseen, names, order) if len(unseen) else None
    test, confirmation = (_relabelled(side, names, order) for side in (corpora[0].test, corpora[0].confirmation))
    return CascadeRows(test, confirmation, validation, kind)


def _reload(member: Member, progress: Progress) -> Corpus:
    """Load the corpus of a member's record and check that its rows are the same."""
    corpus = _load(member.corpus.options, progress)
    recorded = (member.corpus.train_hash, member.corpus.test_hash)
    if (hash_rows(corpus.train.row_ids + corpus.validation.row_ids), hash_rows(corpus.test.row_ids)) != recorded:
        raise SlmbenchError(
            f"the rows of {corpus.name} are no longer those that {member.folder} was trained and tested on: the data"
            " has changed; train again, or restore the file"
        )
    if set(corpus.label_names) != set(member.labels):
        raise SlmbenchError(f"{member.folder} has other labels than its corpus {corpus.name}: export it again")
    return corpus


def _load(options: dict[str, Any], progress: Progress) -> Corpus:
    try:
        return load_corpus(**options, announce=False, progress=progress)
    except UsageError as error:
        # Not a mistake of this command: the corpus was there when the record was made.
        raise SlmbenchError(f"the corpus of the record cannot be loaded again: {error}") from None


def _relabelled(rows: Split, names: list[str], order: list[str]) -> Split:
    return Split(rows.texts, [order.index(names[label]) for label in rows.labels], rows.row_ids)


def _digests(row_ids: list[str]) -> set[str]:
    return {row_id.partition(":")[0] for row_id in row_ids}
