"""Input texts: the corpus's own reviews where they are on this machine, else words of the same token lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.corpora import corpus_available, load_again
from slmbench.edge.runtime import NUMPY_BACKENDS, load_tokenizer
from slmbench.records import BundleRecord, CorpusIdentity, WorkloadIdentity
from slmbench.statistics import PERCENTILE_SAMPLES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Reviews in a workload: enough for a p95 in one pass, and a sample of the corpus's whole length distribution.
REVIEWS = 200
#: Reviews with the further ones, which fast forms are timed on too: enough for a p99.
REVIEWS_IN_ALL = PERCENTILE_SAMPLES[99]


@dataclass(frozen=True)
class Workload:
    """Texts to time, in the order they are timed, and what they are.

    Attributes:
        texts: The texts.
        identity: How a record describes them.
        lengths: Tokens of each.
        row_ids: Ids of the reviews; ``None`` of words.
        further: Further texts of the same kind, for percentiles that need more of them; none where there are too few.
    """

    texts: list[str]
    identity: WorkloadIdentity
    lengths: list[int]
    row_ids: list[str] | None = None
    further: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Tokens of all texts."""
        return sum(self.lengths)


def choose_workload(bundle: BundleRecord, folder: Path, progress: Progress) -> Workload:
    """Choose the reviews to time.

    They are the first rows of the test set, whose order is that of a hash: a random sample of the corpus's lengths,
    and the same for every bundle tested on these rows.

    Args:
        bundle: The bundle's record.
        folder: The bundle's folder.
        progress: Where to report that the corpus is not on this machine.

    Returns:
        The workload; without the corpus, words with exactly the token counts of those reviews.
    """
    lengths = bundle.lengths.tokens
    if corpus_available(bundle.corpus.options):
        try:
            test = load_again(bundle.corpus.options, bundle.corpus.test_hash).test
            return workload_of(bundle.corpus, test.texts, lengths, test.row_ids)
        except SlmbenchError as error:
            progress.say(f"{bundle.name}: {error}; words of the same lengths are timed instead")
    return workload_of(bundle.corpus, words_of_lengths(bundle, folder, lengths[:REVIEWS_IN_ALL]), lengths)


def workload_of(
    corpus: CorpusIdentity, texts: list[str], lengths: Sequence[int], row_ids: list[str] | None = None
) -> Workload:
    """Take the texts to time from the first ones of a test set.

    Args:
        corpus: Their corpus, or the one whose lengths they have.
        texts: The texts.
        lengths: Tokens of each.
        row_ids: Ids of the reviews; ``None`` for words of the same lengths.
    """
    further = texts[REVIEWS:REVIEWS_IN_ALL] if len(texts) >= REVIEWS_IN_ALL else []
    texts, lengths = texts[:REVIEWS], lengths[:REVIEWS]
    identity = WorkloadIdentity(
        name=corpus.name,
        test_hash=corpus.test_hash,
        inputs="length-matched words" if row_ids is None else "reviews",
        reviews=len(texts),
        tokens_p50=float(np.median(lengths)),
        tokens_max=max(lengths),
    )
    return Workload(texts, identity, [int(length) for length in lengths], row_ids and row_ids[:REVIEWS], further)


def words_of_lengths(bundle: BundleRecord, folder: Path, lengths: Sequence[int]) -> list[str]:
    """Return a text for each length that has so many tokens for a bundle."""
    runtime: str = bundle.runtime
    if bundle.cascade:
        # The lengths are those of the small member, which reads every review.
        runtime, folder = bundle.cascade.small.runtime, folder / bundle.cascade.small.folder
    if runtime in NUMPY_BACKENDS:
        return [" ".join(["movie"] * tokens) for tokens in lengths]
    tokenizer = load_tokenizer(folder)
    limit = tokenizer.truncation["max_length"] if tokenizer.truncation else None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return [_words(tokenizer, tokens, limit) for tokens in lengths]


def _words(tokenizer: Tokenizer, tokens: int, limit: int | None) -> str:
    added = tokenizer.num_special_tokens_to_add(is_pair=False)
    if limit is not None and tokens > limit:  # read in windows, each of which has the special tokens
        tokens -= (tokens // limit - 1) * added
    # A word that is one token at any position; which one depends on the vocabulary.
    for word in ("a", "e", "1", "."):
        text = " ".join([word] * max(1, tokens - added))
        if len(tokenizer.encode(text).ids) == max(1, tokens - added) + added:
            return text
    return " ".join(["a"] * max(1, tokens - added))
