"""What a form answers: to all test reviews, for its accuracy, and while it is timed, to compare with that.

A form's accuracy belongs to what runs it: another instruction set, backend, precision or version of a library may
give other labels than the machine that exported the form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.corpora import Split, corpus_available, load_again
from slmbench.profiling.prepared import PreparedCell
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.workload import REVIEWS, Workload
from slmbench.records import CorpusIdentity, Predictions, Served

#: Where labels come from that differ from those given while a form is timed, and why; the end of a sentence.
JUST_ANSWERED = "when all test reviews were answered just before: its answers are not the same each time"
#: Reviews per request: the bar moves, and no answer takes as long as the limit of one.
CHUNK = 20


def all_test_reviews(corpus: CorpusIdentity) -> Split:
    """Return the test rows of a record's corpus.

    Raises:
        SlmbenchError: They are not on this machine, or have changed.
    """
    if not corpus_available(corpus.options):
        raise SlmbenchError(f"the reviews of {corpus.name} are not on this machine")
    return load_again(corpus.options, corpus.test_hash).test


def ask_all(
    task: dict[str, Any], texts: list[str], name: str, progress: Progress, batch_tokens: int | None = None
) -> tuple[np.ndarray, list[int]]:
    """Let a process of the kind that is timed afterwards answer all reviews.

    Args:
        task: What the process is told, except the texts.
        texts: The reviews.
        name: What is asked, for the progress bar.
        progress: Where to report progress.
        batch_tokens: Token budget of the batches that are timed; ``None`` answers one at a time.

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
        # Batches are formed of as many reviews as are timed: of fewer, lengths would differ more within a batch.
        chunk = CHUNK if batch_tokens is None else REVIEWS
        while len(tokens) < len(texts):
            rows = list(range(len(tokens), min(len(tokens) + chunk, len(texts))))
            answer = process.ask({"do": "answers", "rows": rows, "batch_tokens": batch_tokens})
            probabilities += answer["probabilities"]
            tokens += answer["tokens"]
            bar.advance(len(rows))
    return np.array(probabilities), tokens


def other_labels(answers: Predictions, before: Predictions) -> int:
    """Count the reviews that got another label than before."""
    known = dict(zip(before.row_ids, before.predicted().tolist(), strict=True))
    given = zip(answers.row_ids, answers.predicted().tolist(), strict=True)
    return sum(known.get(row_id) != label for row_id, label in given)


def check_served(
    given: Sequence[Sequence[int]], workload: Workload, predictions: Predictions, labels: Sequence[str]
) -> Served | None:
    """Count the reviews that got another label while they were timed than the predictions have for them.

    A label whose probability ties with the largest is the same answer: probabilities are kept with six decimals.

    Args:
        given: The indices of the labels given, one list per process; it begins with the first review and repeats.
        workload: The reviews.
        predictions: Of the form, as its record has them.
        labels: Label names, in the order of the indices.

    Returns:
        ``None`` where labels were not kept (other scenarios), and where words were timed instead of reviews.
    """
    row_ids = workload.row_ids
    if row_ids is None or not given:
        return None
    columns = [predictions.labels.index(label) for label in labels]
    known = dict(zip(predictions.row_ids, predictions.probabilities, strict=True))
    answers = {
        (row_ids[number % len(row_ids)], columns[label])
        for process in given
        for number, label in enumerate(process)
        if row_ids[number % len(row_ids)] in known
    }
    differing = {row_id for row_id, column in answers if known[row_id][column] < max(known[row_id])}
    return Served(reviews=len({row_id for row_id, _ in answers}), differing=len(differing))


def served_warning(served: Served | None, prepared: PreparedCell) -> list[str]:
    """Warn when reviews got another label while they were timed."""
    if served is None or not served.differing:
        return []
    return [f"{served.differing} of {served.reviews} reviews got another label here than {prepared.elsewhere}"]


def batches_warning(served: Served | None) -> list[str]:
    """Warn when too many reviews get another label in batches: that speed is of another classifier.

    Args:
        served: Labels given in batches, compared with those that the accuracy is computed from.
    """
    if served is None or not served.too_many:
        return []
    return [
        f"{served.differing} of {served.reviews} reviews got another label in batches than one at a time: the speed"
        " of batches is not shown beside this accuracy, --scenario offline measures both"
    ]
