"""A first look at the reviews, before anything is trained: what was assumed of them, and what deserves a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec

from slmbench.common.formatting import counted, few, percent
from slmbench.corpora import Corpus

#: Texts whose language is looked at, at most: the share of the commonest is then known to 10 points.
_MAX_TEXTS = 100
#: Said where a label has fewer times the rows of the commonest one.
UNEVEN = 5
#: Said of more texts than this share.
NOTABLE = 0.01


def assumptions(corpus: Corpus) -> list[str]:
    """Say what was found out of the file, one sentence each.

    Args:
        corpus: The reviews as they are learned from and tested on.
    """
    identity = corpus.identity()
    read = ", ".join(f"the {what} in '{column}'" for what, column in corpus.columns.items())
    words = identity.words
    sides = {
        "to learn from": corpus.train,
        "to pick epochs by": corpus.validation,
        "to test on": corpus.test,
        "to confirm": corpus.confirmation,
    }
    uses = ", ".join(f"{len(side):,} {use}" for use, side in sides.items())
    return [
        *([f"{corpus.name} has {read}"] if read else []),
        f"the task is to tell {len(corpus.label_names)} labels apart: {few(corpus.label_names)}",
        f"of its different texts {uses}",
        f"half of the texts have up to {words.p50:.0f} words, 95 % up to {words.p95:.0f}",
        *language_sentence(corpus.train.texts),
        *corpus.notes,
    ]


def findings(corpus: Corpus) -> list[str]:
    """Say what of the data may make a classifier worse or its accuracy wrong, one sentence each."""
    counts = Counter(corpus.train.labels)
    commonest = max(counts.values())
    rare = [corpus.label_names[label] for label, count in counts.items() if commonest >= UNEVEN * count]
    found = []
    if rare:
        found.append(
            f"labels are uneven: {few(rare)} {'has' if len(rare) == 1 else 'have'} less than a fifth of the rows of"
            f" '{corpus.label_names[counts.most_common(1)[0][0]]}'; look at macro-F1 (`slmbench compare --metric"
            " macro_f1`)"
        )
    if corpus.conflicting_dropped:
        found.append(f"{counted(corpus.conflicting_dropped, 'row')} left out: the same text has different labels")
    if corpus.duplicates_dropped:
        found.append(
            f"{counted(corpus.duplicates_dropped, 'further copy')} of texts left out".replace("copys", "copies")
        )
    return found


def language_sentence(texts: Sequence[str]) -> list[str]:
    """Say which language most texts are in, by py3langid; nothing where that is not installed."""
    if find_spec("py3langid") is None or not texts:
        return []
    import py3langid

    step = max(1, len(texts) // _MAX_TEXTS)
    asked = texts[::step][:_MAX_TEXTS]
    language, count = Counter(py3langid.classify(text)[0] for text in asked).most_common(1)[0]
    sentence = f"the language is '{language}' ({percent(count / len(asked))} of {len(asked)} texts by py3langid)"
    if language != "en":
        sentence += "; the starter models were trained on English: name others with --model"
    return [sentence]
