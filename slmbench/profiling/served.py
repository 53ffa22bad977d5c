"""Are the labels given while a form is timed those that its accuracy was computed from?

Another instruction set, provider or version of a library may answer otherwise than the machine that exported a form:
the answers are there anyway, so each profile holds them against the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.records import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.profiling.subjects import Subject
    from slmbench.profiling.workload import Workload
    from slmbench.records import Predictions

#: Share of other labels that a setting may give and still count as the form that was exported: the loss of accuracy
#: that an export accepts unless told otherwise, which so many other labels could cost at the most. Our choice.
MOST_DIFFERING = 0.01


def check_served(
    given: Sequence[Sequence[int]], workload: Workload, predictions: Predictions, labels: Sequence[str]
) -> Served | None:
    """Count the reviews that got another label than the predictions have for them.

    A label whose probability is as large as the largest is the same answer: probabilities are kept with six decimals.

    Args:
        given: The numbers of the labels given, of the first reviews, round and round; one list a process.
        workload: The reviews.
        predictions: Of the form, as its record has them.
        labels: Label names, in the order of the numbers.

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


def answers_otherwise(served: Served) -> bool:
    """Say whether more reviews got another label than :data:`MOST_DIFFERING` allows, chance left aside.

    An exact binomial test at 5 %: two of ten reviews are too many, five of two hundred are not.
    """
    if not served.reviews:
        return False
    from scipy.stats import binomtest

    return bool(binomtest(served.differing, served.reviews, MOST_DIFFERING, alternative="greater").pvalue < 0.05)


def served_warning(served: Served | None, subject: Subject) -> list[str]:
    """Say when reviews got another label."""
    if served is None or not served.differing:
        return []
    return [f"{served.differing} of {served.reviews} reviews got another label here than {subject.elsewhere}"]
