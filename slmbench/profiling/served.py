"""Are the labels given while a form is timed those that its accuracy was computed from?

Another instruction set, provider or version of a library may answer otherwise than the machine that exported a form:
the answers are there anyway, so each profile holds them against the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.records import Served

if TYPE_CHECKING:
    from slmbench.profiling.scenarios import Measured
    from slmbench.profiling.subjects import Subject


def check_served(measured: Measured, subject: Subject) -> Served | None:
    """Count the reviews that got another label than the predictions have for them.

    A label whose probability is as large as the largest is the same answer: probabilities are kept with six decimals.

    Args:
        measured: What the processes answered.
        subject: The form.

    Returns:
        ``None`` where labels were not kept (other scenarios), and where words were timed instead of reviews.
    """
    row_ids, predictions = subject.workload.row_ids, subject.predictions
    if row_ids is None or not measured.labels:
        return None
    columns = [predictions.labels.index(label) for label in subject.labels]
    known = dict(zip(predictions.row_ids, predictions.probabilities, strict=True))
    given = {
        (row_ids[number % len(row_ids)], columns[label])
        for process in measured.labels
        for number, label in enumerate(process)
        if row_ids[number % len(row_ids)] in known
    }
    differing = {row_id for row_id, column in given if known[row_id][column] < max(known[row_id])}
    return Served(reviews=len({row_id for row_id, _ in given}), differing=len(differing))


def served_warning(served: Served | None, subject: Subject) -> list[str]:
    """Say when reviews got another label."""
    if served is None or not served.differing:
        return []
    return [f"{served.differing} of {served.reviews} reviews got another label here than {subject.elsewhere}"]
