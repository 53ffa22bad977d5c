"""Reviews to which a form gives another label than fp32 of its bundle does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slmbench.compare.decision import REFERENCE_FORM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slmbench.records import BundleRecord, Predictions, ProfileRecord

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
    mended: bool
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
    def mended(self) -> int:
        """How many were wrong and are right."""
        return sum(flip.mended for flip in self.flips)

    @property
    def listed(self) -> list[FlippedReview]:
        """Those that a report shows."""
        return self.flips[:LISTED]


def label_flips(profiles: Sequence[ProfileRecord], bundles: Mapping[str, BundleRecord]) -> list[FormFlips]:
    """Find what changed between fp32 and the other forms of each bundle, by the ids of the reviews.

    Args:
        profiles: One a bundle and form.
        bundles: Bundles at hand, by profile name: they have the beginnings of some reviews.

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
        bundle = bundles.get(profile.name)
        texts = {flip.row_id: flip.text for flip in bundle.forms[profile.form].flips} if bundle else {}
        flips = _flips(reference.predictions, profile.predictions, texts)
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
                mended=now == truth,
                broken=then == truth,
                text=texts.get(row_id),
            )
        )
    return found


def _label(predictions: Predictions, number: int) -> str:
    return predictions.labels[number] if number >= 0 else _NO_LABEL
