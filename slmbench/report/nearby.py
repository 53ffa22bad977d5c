"""Bundles at hand: what profiles do not carry (texts of reviews, a cascade's thresholds) is read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import BUNDLES
from slmbench.records import BundleRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.records import ProfileRecord


def nearby_bundles(profiles: Sequence[ProfileRecord]) -> dict[str, BundleRecord]:
    """Read the bundles in ``exported/`` that profiles were made from.

    Args:
        profiles: Profiles, each named after its bundle's folder.

    Returns:
        Bundles by the name of the profile. One that is not there, cannot be read or answers otherwise than was
        profiled (it was exported anew) is left out: a report does without.
    """
    read: dict[str, BundleRecord | None] = {}
    found = {}
    for profile in profiles:
        folder = profile.name.partition(f".{profile.form}.")[0]
        if folder not in read:
            try:
                read[folder] = read_record(BundleRecord, BUNDLES / folder / "bundle.json")
            except (SlmbenchError, OSError):
                read[folder] = None
        bundle = read[folder]
        form = bundle.forms.get(profile.form) if bundle else None
        if bundle and form and form.predictions == profile.predictions:
            found[profile.name] = bundle
    return found
