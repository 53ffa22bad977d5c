"""Input texts: the corpus's own reviews where they are on this machine, else words of the same token lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.corpora import corpus_available, load_again
from slmbench.edge.runtime import NUMPY_BACKENDS, load_tokenizer
from slmbench.records import BundleRecord, CorpusIdentity, WorkloadIdentity

#: Reviews in a workload: enough for a p95 in one pass, and a sample of the corpus's whole length distribution.
REVIEWS = 200


@dataclass(frozen=True)
class Workload:
    """Texts to time, in the order they are timed, and what they are.

    Attributes:
        texts: The texts.
        identity: How a record describes them.
        lengths: Tokens of each.
        row_ids: Ids of the reviews; ``None`` of words.
    """

    texts: list[str]
    identity: WorkloadIdentity
    lengths: list[int]
    row_ids: list[str] | None = None

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
    lengths = bundle.lengths.tokens[:REVIEWS]
    if corpus_available(bundle.corpus.options):
        try:
            test = load_again(bundle.corpus.options, bundle.corpus.test_hash).test
            return workload_of(bundle.corpus, test.texts[:REVIEWS], lengths, test.row_ids[:REVIEWS])
        except SlmbenchError as error:
            progress.say(f"{bundle.name}: {error}; words of the same lengths are timed instead")
    return workload_of(bundle.corpus, [words_of_length(bundle, folder, tokens) for tokens in lengths], lengths)


def workload_of(
    corpus: CorpusIdentity, texts: list[str], lengths: Sequence[int], row_ids: list[str] | None = None
) -> Workload:
    """Describe texts to time.

    Args:
        corpus: Their corpus, or the one whose lengths they have.
        texts: The texts.
        lengths: Tokens of each.
        row_ids: Ids of the reviews; ``None`` for words of the same lengths.
    """
    identity = WorkloadIdentity(
        name=corpus.name,
        test_hash=corpus.test_hash,
        inputs="length-matched words" if row_ids is None else "reviews",
        reviews=len(texts),
        tokens_p50=float(np.median(lengths)),
        tokens_max=max(lengths),
    )
    return Workload(texts, identity, [int(length) for length in lengths], row_ids)


def words_of_length(bundle: BundleRecord, folder: Path, tokens: int) -> str:
    """Return a text that has a given number of tokens for a bundle."""
    runtime: str = bundle.runtime
    if bundle.cascade:
        # The lengths are those of the small member, which reads every review.
        runtime, folder = bundle.cascade.small.runtime, folder / bundle.cascade.small.folder
    if runtime in NUMPY_BACKENDS:
        return " ".join(["movie"] * tokens)
    tokenizer = load_tokenizer(folder)
    tokenizer.no_padding()
    added = tokenizer.num_special_tokens_to_add(is_pair=False)
    limit = tokenizer.truncation["max_length"] if tokenizer.truncation else tokens
    if tokens > limit:  # read in windows, each of which has the special tokens
        tokens -= (tokens // limit - 1) * added
        tokenizer.no_truncation()
    # A word that is one token at any position; which one depends on the vocabulary.
    for word in ("a", "e", "1", "."):
        text = " ".join([word] * max(1, tokens - added))
        if len(tokenizer.encode(text).ids) == max(1, tokens - added) + added:
            return text
    return " ".join(["a"] * max(1, tokens - added))
