"""Reviews: where they come from, how they are labelled, deduplicated and split.

A review is known by the hash of its text, and the hash decides on which side of the split it falls: so it
falls on the same side whatever the sample size, the order of the file or the machine.
"""

from slmbench.corpora.corpus import Corpus, Split
from slmbench.corpora.known_corpora import CORPORA
from slmbench.corpora.loading import corpus_available, load_again, load_corpus, read_once
from slmbench.corpora.sources import CorpusSource
from slmbench.corpora.texts import TextSample, sample_texts, stream_texts
from slmbench.corpora.transfer import load_for_testing

__all__ = [
    "CORPORA",
    "Corpus",
    "CorpusSource",
    "Split",
    "TextSample",
    "corpus_available",
    "load_again",
    "load_corpus",
    "load_for_testing",
    "read_once",
    "sample_texts",
    "stream_texts",
]
