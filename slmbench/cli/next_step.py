"""The command that usually comes next for a run or a bundle, by what was done with it already."""

from __future__ import annotations

from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import BUNDLES, PROFILES
from slmbench.records import BundleRecord, ProfileRecord, RunRecord, artefacts, read_record

#: Words of a command, without ``slmbench``.
Words = tuple[Path | str, ...]


def after_run(run: RunRecord) -> Words:
    """Return what comes after training or evaluating a run: its export, unless its bundle is there.

    Args:
        run: The run.
    """
    if not run.has_model:
        return ("evaluate", run.path)
    try:
        bundle = artefacts.read(BUNDLES / Path(run.path).name, BundleRecord)
    except SlmbenchError:  # there is none, or it is damaged
        return ("export", run.path)
    if bundle.run_key != run.key:
        return ("export", run.path)
    return after_bundle(bundle, BUNDLES / Path(run.path).name)


def after_bundle(bundle: BundleRecord, folder: Path | str) -> Words:
    """Return what comes after a bundle was made or used: its profile, unless each of its forms was measured.

    Args:
        bundle: The bundle.
        folder: Where it is.
    """
    measured: dict[Path, set[str]] = {}
    for file in PROFILES.rglob(f"{Path(folder).name}.*.json"):
        try:
            profile = read_record(ProfileRecord, file)
        except SlmbenchError:  # of another kind, or damaged
            continue
        if profile.source_key == bundle.key:
            measured.setdefault(file.parent, set()).add(profile.form)
    for place, forms in sorted(measured.items()):
        if set(bundle.forms) <= forms:
            return ("compare",) if place == PROFILES else ("compare", place)
    return ("profile", folder)


def after_path(path: Path) -> Words:
    """Return what comes after a run or a bundle, by its folder."""
    record = artefacts.read(path, RunRecord, BundleRecord)
    return after_run(record) if isinstance(record, RunRecord) else after_bundle(record, path)
