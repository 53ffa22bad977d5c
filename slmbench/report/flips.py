"""Reviews to which a form gives another label than fp32 of its bundle does.

Profiles have the ids of reviews, not their texts. The beginnings of those whose label changed are in the bundle's
record, which is read where the bundle is in ``exported/`` and gives the same answers as when it was profiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import BUNDLES
from slmbench.compare.decision import REFERENCE_FORM
from slmbench.records import BundleRecord, Predictions, ProfileRecord, artefacts

#: How many flips a report lists; all are counted.
LISTED = 20
#: What a review without a label is shown as.
_NO_LABEL = "no label"


class FlippedReview(NamedTuple):
    """One review whose label changed; scores are the probabilities of the labels given."""

    row_id: str
    truth: str
    reference: str
    reference_score: float
    label: str
    score: float
    fixed: bool
    broken: bool
    text: str | None


class FormFlips(NamedTuple):
    """All label changes of one form.

    Attributes:
        form: Bundle and form.
        reference: The same bundle in fp32.
        reviews: How many were looked at.
        flips: Reviews whose label changed, those newly wrong first, then by the score of the new label.
    """

    form: str
    reference: str
    reviews: int
    flips: list[FlippedReview]

    @property
    def broken(self) -> int:
        """How many were right and are wrong."""
        return sum(flip.broken for flip in self.flips)

    @property
    def fixed(self) -> int:
        """How many were wrong and are right."""
        return sum(flip.fixed for flip in self.flips)

    @property
    def listed(self) -> list[FlippedReview]:
        """Those that a report shows."""
        return self.flips[:LISTED]


def label_flips(profiles: Sequence[ProfileRecord]) -> list[FormFlips]:
    """Find what changed between fp32 and the other forms of each bundle, by the ids of the reviews.

    Args:
        profiles: One a bundle and form.

    Returns:
        One entry a form that has its fp32 beside it, on the same reviews.
    """
    found = []
    references = {profile.bundle: profile for profile in profiles if profile.form == REFERENCE_FORM}
    for profile in profiles:
        reference = references.get(profile.bundle)
        if reference is None or reference is profile:
            continue
        if reference.predictions.rows_hash() != profile.predictions.rows_hash():
            continue
        flips = _flips(reference.predictions, profile.predictions, _texts(profile))
        found.append(
            FormFlips(
                f"{profile.bundle} {profile.form}",
                f"{reference.bundle} {reference.form}",
                len(profile.predictions.row_ids),
                sorted(flips, key=lambda flip: (not flip.broken, -flip.score)),
            )
        )
    return found


def _flips(reference: Predictions, other: Predictions, texts: Mapping[str, str]) -> list[FlippedReview]:
    place = {row_id: index for index, row_id in enumerate(reference.row_ids)}
    before, after = reference.predicted(), other.predicted()
    found = []
    for index, row_id in enumerate(other.row_ids):
        then, now, truth = int(before[place[row_id]]), int(after[index]), other.truth[index]
        if then == now:
            continue
        found.append(
            FlippedReview(
                row_id=row_id,
                truth=other.labels[truth],
                reference=_label(reference, then),
                reference_score=max(reference.probabilities[place[row_id]]),
                label=_label(other, now),
                score=max(other.probabilities[index]),
                fixed=now == truth,
                broken=then == truth,
                text=texts.get(row_id),
            )
        )
    return found


def _texts(profile: ProfileRecord) -> dict[str, str]:
    """Return the beginnings of reviews by row id, from the bundle that was profiled; none where it is not there."""
    folder = Path(profile.name.partition(f".{profile.form}.")[0]).name  # never a path from an untrusted record
    try:
        form = artefacts.read(BUNDLES / folder, BundleRecord).forms.get(profile.form)
    except SlmbenchError:
        return {}
    if form is None or form.predictions != profile.predictions:
        return {}
    return {flip.row_id: flip.text for flip in form.flips}


def _label(predictions: Predictions, number: int) -> str:
    return predictions.labels[number] if number >= 0 else _NO_LABEL
