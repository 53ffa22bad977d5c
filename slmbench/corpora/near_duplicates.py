"""Reviews that are almost the same as others: a test review that is measures memory, not what was learned.

Two reviews are near-duplicates when at least 80 % of their runs of five words are shared: the resemblance of Broder
(*On the resemblance and containment of documents*, 1997), with the run length and limit of Lee et al. (*Deduplicating
Training Data Makes Language Models Better*, 2022). MinHash (datasketch) finds the candidates, whose resemblance is
then computed exactly.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from slmbench.common.formatting import percent
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora.corpus import Corpus
from slmbench.corpora.row_sets import RowSet
from slmbench.records.run import NearDuplicate, NearDuplicates

#: Words of a run, and the share of common runs from which on two reviews are near-duplicates.
RUN_WORDS = 5
RESEMBLANCE = 0.8
#: Bands, and values in each: two reviews become candidates with probability 1 - (1 - s^r)^b (Leskovec, Rajaraman and
#: Ullman, *Mining of Massive Datasets*, 3.4), 99.8 % at a resemblance of 0.8, and few do at 0.4.
_BANDS, _VALUES = 21, 6
#: The search would take longer than half a minute over more reviews.
MAX_REVIEWS = 100_000
#: Share of the test reviews from which on it is said.
NOTABLE_SHARE = 0.01
#: Pairs that a record keeps.
_PAIRS = 10
_WORD = re.compile(r"\w+")


def find_near_duplicates(corpus: Corpus, progress: Progress = SILENT) -> NearDuplicates | None:
    """Look for test reviews with a near-duplicate among the training and validation reviews.

    Args:
        corpus: The reviews.
        progress: Where progress is reported.

    Returns:
        How many there are, with the closest pairs; ``None`` without datasketch and for more than
        :data:`MAX_REVIEWS` reviews.
    """
    known = corpus.train.texts + corpus.validation.texts
    if not can_be_searched(len(known) + len(corpus.test)):
        return None
    pairs = closest_pairs(known, corpus.test.texts, progress)
    ids = corpus.train.row_ids + corpus.validation.row_ids
    return NearDuplicates(
        test_reviews=len(corpus.test),
        found=len(pairs),
        resemblance=RESEMBLANCE,
        closest=[
            NearDuplicate(test=corpus.test.row_ids[place], training=ids[other], resemblance=round(share, 4))
            for share, other, place in sorted(pairs, reverse=True)[:_PAIRS]
        ],
    )


def can_be_searched(reviews: int) -> bool:
    """Say whether near-duplicates can be looked for among so many reviews: datasketch is there, and they are few."""
    return find_spec("datasketch") is not None and reviews <= MAX_REVIEWS


def closest_pairs(
    known: Sequence[str], asked: Sequence[str], progress: Progress = SILENT
) -> list[tuple[float, int, int]]:
    """Return, of each text that has a near-duplicate among others, the closest one.

    Args:
        known: Texts to look among.
        asked: Texts to look for.
        progress: Where progress is reported.

    Returns:
        Resemblance, place in ``known``, place in ``asked``; by the last.
    """
    from datasketch import MinHash, MinHashLSH

    def sketch(text: str) -> MinHash:
        # Runs are hashed below; hashed once more they would only lose bits.
        made = MinHash(num_perm=_BANDS * _VALUES, seed=1, hashfunc=int)
        made.update_batch(_hashes(text))
        return made

    index = MinHashLSH(num_perm=_BANDS * _VALUES, params=(_BANDS, _VALUES))
    pairs: list[tuple[float, int, int]] = []
    with progress.task("looking for near-duplicates", total=len(known) + len(asked), unit="reviews") as bar:
        with index.insertion_session() as session:
            for place, text in enumerate(known):
                session.insert(place, sketch(text), check_duplication=False)
                bar.advance()
        for place, text in enumerate(asked):
            closest = max(
                ((resemblance(text, known[other]), other) for other in index.query(sketch(text))), default=None
            )
            if closest and closest[0] >= RESEMBLANCE:
                pairs.append((*closest, place))
            bar.advance()
    return pairs


def without_near_duplicates(
    unlabelled: RowSet, others: int, held_out: Sequence[RowSet], progress: Progress
) -> tuple[RowSet, list[str]]:
    """Leave out unlabelled rows that are almost the same as a held-out one, and say how many.

    Args:
        unlabelled: What was drawn, with texts.
        others: How many of them at most, from the first on, are from elsewhere than the training pool, whose split
            does not look at them.
        held_out: Test and confirmation rows, with texts.
        progress: Where progress is reported.
    """
    texts = [] if unlabelled.texts is None else unlabelled.texts[:others].tolist()
    known = [text for rows in held_out if rows.texts is not None for text in rows.texts.tolist()]
    if not texts:
        return unlabelled, []
    if not can_be_searched(len(texts) + len(known)):
        return unlabelled, [f"{len(texts):,} unlabelled texts were not searched for near-duplicates of test reviews"]
    near = [place for _, _, place in closest_pairs(known, texts, progress)]
    if not near:
        return unlabelled, []
    return unlabelled.take(np.delete(np.arange(len(unlabelled)), near)), [
        f"{len(near):,} of {len(texts):,} unlabelled texts left out: they are almost the same as a held-out review"
    ]


def near_duplicates_note(found: NearDuplicates | None) -> str | None:
    """Return a sentence about near-duplicates, where they are more than 1 % of the test reviews."""
    if found is None or found.share <= NOTABLE_SHARE:
        return None
    return (
        f"{found.found:,} of {found.test_reviews:,} test reviews ({percent(found.share)}) are almost the same as a"
        f" training review (at least {100 * RESEMBLANCE:.0f} % of their runs of {RUN_WORDS} words): the accuracy is"
        " optimistic; keep such reviews on one side with --group-column, or remove them"
    )


def resemblance(one: str, other: str) -> float:
    """Return the share of common runs of words among those of two texts, in [0, 1]."""
    first, second = set(_runs(one)), set(_runs(other))
    return len(first & second) / len(first | second)


def _runs(text: str) -> list[str]:
    """Return a text's runs of five words, in lower case; of a shorter text the whole."""
    words = _WORD.findall(text.lower())
    return [" ".join(words[start : start + RUN_WORDS]) for start in range(max(1, len(words) - RUN_WORDS + 1))]


def _hashes(text: str) -> list[int]:
    return [zlib.crc32(run.encode("utf-8", "surrogatepass")) for run in _runs(text)]
