"""Sealed answers on their way from a bundle into a profile: copied as bytes, never read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from slmbench.edge.runtime import MAX_RECORD_BYTES, path_inside, read_bytes
from slmbench.records import BundleRecord
from slmbench.records.sealed_answers import SealedAnswers


class CarriedAnswers(NamedTuple):
    """Sealed answers, or why there are none."""

    answers: SealedAnswers | None
    reason: str | None = None


_NOT_KEPT = "its bundle has no sealed answers: it, or the run it was made from, is from before they were kept"
_NOT_ASKED = (
    "it answered no confirmation reviews, because it was neither recommended nor on the Pareto front: run the recipe"
    " again with these limits"
)
#: What runs in torch have.
IN_TORCH = CarriedAnswers(None, "a run measured in torch has no sealed answers; its bundle has")


def carried_over(folder: Path, bundle: BundleRecord, form: str, *, computes_in: str | None) -> CarriedAnswers:
    """Return the sealed answers of a bundle's form, for its profile.

    Args:
        folder: The bundle's folder.
        bundle: Its record.
        form: The form.
        computes_in: Where it computes otherwise than at export, in words; ``None`` where it computes as it did. The
            sealed answers are those of the export.
    """
    sealed = bundle.forms[form].confirmation
    if sealed is None or sealed.file is None:
        if not bundle.forms[form].accepted:
            return CarriedAnswers(None, "the form was refused at export")
        has_rows = bundle.corpus.confirmation_hash is not None
        return CarriedAnswers(None, bundle.corpus.no_confirmation or (_NOT_ASKED if has_rows else _NOT_KEPT))
    if computes_in is not None:
        return CarriedAnswers(None, f"its sealed answers are those of the CPU that exported it, not of {computes_in}")
    try:
        content = read_bytes(path_inside(folder, sealed.file), MAX_RECORD_BYTES)
        return CarriedAnswers(sealed.carrying(content))
    except OSError as error:
        return CarriedAnswers(None, f"{sealed.file} of its bundle cannot be read ({error.strerror})")
