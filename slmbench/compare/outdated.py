"""Profiles of what is not there any more: the bundle or run of their name was made again from other inputs.

Only the records of the bundles and runs in their usual places are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.formatting import listing
from slmbench.common.places import BUNDLES, RUNS
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.records import BundleRecord, ProfileRecord, RunRecord, artefacts


def without_outdated(profiles: Sequence[ProfileRecord]) -> tuple[list[ProfileRecord], list[str]]:
    """Return the profiles without those of an earlier bundle or run of the same name, and a sentence on the latter.

    Args:
        profiles: What was read.

    Raises:
        SlmbenchError: Nothing would be left.
    """
    known: dict[Path, BundleRecord | RunRecord | None] = {}
    kept: list[ProfileRecord] = []
    outdated: list[ProfileRecord] = []
    for profile in profiles:
        place = place_of(profile)
        if place not in known:
            known[place] = _record_at(place)
        (outdated if _is_outdated(profile, known[place]) else kept).append(profile)
    if not outdated:
        return kept, []
    names = listing([f"{profile.bundle} {profile.form}" for profile in outdated])
    places = listing(sorted({str(place_of(profile)) for profile in outdated}))
    sentence = f"left out, as {places} was made again since it was profiled: {names}; profile it again"
    if not kept:
        raise SlmbenchError(f"no profile is left: {sentence}")
    return kept, [sentence]


def place_of(profile: ProfileRecord) -> Path:
    """Return where what was profiled lies, by the name of the record."""
    folder, found, _ = profile.name.partition(f".{profile.form}.")
    return (RUNS if profile.backend == "torch" else BUNDLES) / Path(folder if found else profile.bundle).name


def found_at(profile: ProfileRecord) -> str | None:
    """Return where the bundle or run that was profiled lies, if there is one in the usual place."""
    place = place_of(profile)
    return str(place) if artefacts.kind_of(place) in (BundleRecord, RunRecord) else None


def _record_at(place: Path) -> BundleRecord | RunRecord | None:
    if artefacts.kind_of(place) not in (BundleRecord, RunRecord):
        return None
    try:
        return artefacts.read(place, BundleRecord, RunRecord)
    except SlmbenchError:  # damaged: nothing can be said of it
        return None


def _is_outdated(profile: ProfileRecord, now: BundleRecord | RunRecord | None) -> bool:
    """Say whether what lies there is another bundle or run than the one profiled.

    A bundle exported elsewhere from the same run has another key, because its int8 is for another instruction set:
    profiles from other machines are outdated only where the labels or the reviews trained or tested on are others.
    """
    if now is None or profile.source_key is None or profile.source_key == now.key:
        return False
    form = now.forms.get(profile.form) if isinstance(now, BundleRecord) else None
    if form is not None and form.sha256 == profile.form_sha256:
        return False
    labels = now.labels if isinstance(now, BundleRecord) else now.predictions.labels
    then, since = profile.trained_on, now.corpus
    of_other_reviews = (
        sorted(profile.predictions.labels) != sorted(labels)
        or then.train_hash != since.train_hash
        or then.test_hash != since.test_hash
    )
    return of_other_reviews or profile.hardware.get("fingerprint") == hardware_fingerprint()["fingerprint"]
