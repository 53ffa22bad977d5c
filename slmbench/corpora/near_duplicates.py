"""Test reviews that are almost the same as a training review: they measure memory, not what was learned.

Two reviews are near-duplicates when at least 80 % of their runs of five words are shared: the resemblance of Broder
(*On the resemblance and containment of documents*, 1997), with the run length and limit of Lee et al. (*Deduplicating
Training Data Makes Language Models Better*, 2022). MinHash (datasketch) finds the candidates, whose resemblance is
then computed exactly.
"""

from __future__ import annotations

import re
import zlib
from importlib.util import find_spec

from slmbench.common.formatting import percent
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora.corpus import Corpus
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
    if find_spec("datasketch") is None or len(known) + len(corpus.test) > MAX_REVIEWS:
        return None
    from datasketch import MinHash, MinHashLSH

    def sketch(text: str) -> MinHash:
        # Runs are hashed below; hashed once more they would only lose bits.
        made = MinHash(num_perm=_BANDS * _VALUES, seed=1, hashfunc=int)
        made.update_batch(_hashes(text))
        return made

    index = MinHashLSH(num_perm=_BANDS * _VALUES, params=(_BANDS, _VALUES))
    pairs: list[tuple[float, int, int]] = []
    with progress.task("looking for near-duplicates", total=len(known) + len(corpus.test), unit="reviews") as bar:
        with index.insertion_session() as session:
            for place, text in enumerate(known):
                session.insert(place, sketch(text), check_duplication=False)
                bar.advance()
        for place, text in enumerate(corpus.test.texts):
            closest = max(
                ((resemblance(text, known[other]), other) for other in index.query(sketch(text))), default=None
            )
            if closest and closest[0] >= RESEMBLANCE:
                pairs.append((*closest, place))
            bar.advance()
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
