"""What a form answers to all test reviews, asked of a process of the kind that is timed afterwards.

A form's accuracy belongs to what runs it: torch's precisions and onnxruntime's other providers compute otherwise than
the CPU provider, with which an export was judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.corpora import corpus_available, load_again
from slmbench.profiling.process import MeasuredProcess

if TYPE_CHECKING:
    from slmbench.common.progress import Progress
    from slmbench.corpora import Split
    from slmbench.records import CorpusIdentity, Predictions

#: Where labels come from that differ from those given while a form is timed, and why; the end of a sentence.
JUST_ANSWERED = "when all test reviews were answered just before: its answers are not the same each time"
#: Reviews asked about at once: the bar moves, and no answer takes as long as the limit of one.
CHUNK = 20


def all_test_reviews(corpus: CorpusIdentity) -> Split:
    """Return the test rows of a record's corpus.

    Raises:
        SlmbenchError: They are not on this machine, or are others now.
    """
    if not corpus_available(corpus.options):
        raise SlmbenchError(f"the reviews of {corpus.name} are not on this machine")
    return load_again(corpus.options, corpus.test_hash).test


def ask_all(task: dict[str, Any], texts: list[str], name: str, progress: Progress) -> tuple[np.ndarray, list[int]]:
    """Ask a process that is not timed.

    Args:
        task: What the worker is told, but for the texts.
        texts: The reviews, which are answered one by one.
        name: What is asked, for the progress bar.
        progress: Where to say how far it is.

    Returns:
        Probabilities, shape (texts, labels), in the order of the classifier's labels, and tokens of each text.

    Raises:
        SlmbenchError: The model does not load, or the process died.
    """
    probabilities: list[list[float]] = []
    tokens: list[int] = []
    with (
        progress.task(f"testing {name}", total=len(texts), unit="reviews") as bar,
        MeasuredProcess({**task, "texts": texts}) as process,
    ):
        while len(tokens) < len(texts):
            rows = list(range(len(tokens), min(len(tokens) + CHUNK, len(texts))))
            answer = process.ask({"do": "answers", "rows": rows})
            probabilities += answer["probabilities"]
            tokens += answer["tokens"]
            bar.advance(len(rows))
    return np.array(probabilities), tokens


def other_labels(answers: Predictions, before: Predictions) -> int:
    """Count the reviews that got another label than before."""
    known = dict(zip(before.row_ids, before.predicted().tolist(), strict=True))
    given = zip(answers.row_ids, answers.predicted().tolist(), strict=True)
    return sum(known.get(row_id) != label for row_id, label in given)
