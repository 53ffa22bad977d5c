"""Finding records on disk: profiles, the newest of a cell, which become rows, and sweeps, which become curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import as_paths
from slmbench.common.formatting import listing
from slmbench.common.places import PROFILES, named_path
from slmbench.common.progress import SILENT, Progress
from slmbench.compare.machines import machine_of
from slmbench.compare.outdated import without_outdated
from slmbench.records import ProfileRecord, Row, artefacts, read_record
from slmbench.records.sweep import SweepRecord
from slmbench.records.versus import VersusRecord

#: What makes two profiles measurements of the same cell.
CellKey = tuple[str | int | None, ...]


@dataclass(frozen=True)
class Measurements:
    """What a comparison is made from.

    Attributes:
        profiles: Every profile found; of one cell there may be several.
        sweeps: Sweeps found beside or below the profiles.
        damaged: A sentence for each sweep that cannot be read.
        folders: Where the profiles with sealed answers lie, by the digest of the answers: openings are logged there.
        notes: Sentences on profiles that were left out.
        versus: Records of ``slmbench versus`` found beside the profiles, or named.
    """

    profiles: list[ProfileRecord]
    sweeps: list[SweepRecord] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    folders: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    versus: list[VersusRecord] = field(default_factory=list)


def read_measurements(
    paths: str | Path | Sequence[str | Path] | None = None, progress: Progress = SILENT
) -> Measurements:
    """Read profiles, and the sweeps and records of ``versus`` beside them.

    Profiles of what was made again since are left out; see :mod:`slmbench.compare.outdated`.

    Args:
        paths: Profile JSON files and folders of them (not searched deeper for profiles; for sweeps they are);
            ``None`` means ``profiles/``.
        progress: Told how many are read, and what is left out.

    Returns:
        The profiles and sweeps.

    Raises:
        UsageError: A path is not there.
        SlmbenchError: A file is not a profile or is damaged, or there is no profile at all that still holds.
    """
    wanted = None if paths is None else as_paths(paths)
    files = _profile_files(wanted)
    profiles = _read_profiles(files, progress)
    folders: dict[str, Path] = {}
    for profile, file in zip(profiles, files, strict=True):
        if profile.confirmation is not None:
            folders.setdefault(profile.confirmation.digest, file.parent)
    kept, notes = without_outdated(profiles)
    for note in notes:
        progress.say(note)
    sweeps, damaged = find_sweeps(wanted)
    versus, unread = _find_versus(wanted)
    return Measurements(kept, sweeps, damaged + unread, folders, notes, versus)


def newest_of_each_cell(profiles: Sequence[ProfileRecord]) -> list[ProfileRecord]:
    """Keep the newest profile of each cell, in the order in which cells first appear."""
    newest: dict[CellKey, ProfileRecord] = {}
    for profile in profiles:
        key = _key_of_profile(profile)
        known = newest.get(key)
        if known is None or profile.created > known.created:
            newest[key] = profile
    return list(newest.values())


def profiles_of_rows(rows: Sequence[Row], profiles: Sequence[ProfileRecord]) -> list[tuple[Row, ProfileRecord]]:
    """Return each measured row with the profile that it was made from.

    Args:
        rows: Rows of a comparison.
        profiles: What they were made from, older profiles of the same cells among them or not.
    """
    by_cell: Mapping[CellKey, ProfileRecord] = {
        _key_of_profile(profile): profile for profile in newest_of_each_cell(profiles)
    }
    return [(row, by_cell[_key_of_row(row)]) for row in rows if _key_of_row(row) in by_cell]


def load_profiles(paths: Sequence[Path] | None, progress: Progress = SILENT) -> list[ProfileRecord]:
    """Read profiles from files and folders.

    Args:
        paths: Profile JSON files, and folders whose ``*.json`` are read, not searched deeper; other kinds of
            record in a folder are left out, and so are sweeps that are named. ``None`` means ``profiles/``.
        progress: Told how many are read.

    Returns:
        The profiles, in the order of the paths.

    Raises:
        UsageError: A path is not there.
        SlmbenchError: A file is not a profile or is damaged, or there is no profile at all.
    """
    return _read_profiles(_profile_files(paths), progress)


def _profile_files(paths: Sequence[Path] | None) -> list[Path]:
    wanted = [PROFILES] if paths is None else [named_path(path) for path in paths]
    files: list[Path] = []
    for path in wanted:
        if path.is_dir():
            files += [file for file in sorted(path.glob("*.json")) if artefacts.kind_of(file) is ProfileRecord]
        elif path.exists():
            # A shell's profiles/*.json names records of sweeps and of versus as well.
            files += [] if artefacts.kind_of(path) in (SweepRecord, VersusRecord) else [path]
        elif paths is not None:
            raise UsageError(f"there is no profile or folder at {path}")
    if not files:
        places = f" in {listing([str(path) for path in wanted])}" if wanted else ""
        raise SlmbenchError(f"there are no profiles{places}: run `slmbench profile` first")
    return files


def _read_profiles(files: Sequence[Path], progress: Progress) -> list[ProfileRecord]:
    profiles = []
    with progress.task("reading profiles", total=len(files), unit="profiles") as task:
        for file in files:
            profiles.append(_read_profile(file))
            task.advance()
    return profiles


def _read_profile(file: Path) -> ProfileRecord:
    profile = read_record(ProfileRecord, file)
    _check_machine(profile, file)
    return profile


def find_sweeps(paths: Sequence[Path] | None) -> tuple[list[SweepRecord], list[str]]:
    """Read the sweeps beside profiles or in folders below.

    A sweep that cannot be read does not prevent the decision, which is made without it.

    Args:
        paths: As of :func:`load_profiles`; folders are searched to the bottom.

    Returns:
        The sweeps, and a sentence for each damaged one.
    """
    files: dict[Path, Path] = {}
    for path in [PROFILES] if paths is None else paths:
        for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
            if file.is_file():  # not a link to itself
                files.setdefault(file.resolve(), file)
    sweeps, complaints = [], []
    for file in files.values():
        try:
            is_sweep = artefacts.kind_of(file) is SweepRecord
        except SlmbenchError:  # load_profiles reports the files that it needs
            continue
        try:
            sweeps += [_read_sweep(file)] if is_sweep else []
        except SlmbenchError as error:
            complaints.append(f"left out of the curves: {error}")
    return sweeps, complaints


def _find_versus(paths: Sequence[Path] | None) -> tuple[list[VersusRecord], list[str]]:
    """Read records of ``versus``, as :func:`find_sweeps`; folders are not searched deeper."""
    versus, complaints = [], []
    for path in [PROFILES] if paths is None else paths:
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            try:
                if artefacts.kind_of(file) is VersusRecord:
                    versus.append(read_record(VersusRecord, file))
            except SlmbenchError as error:
                if file.name.count("-vs-"):
                    complaints.append(f"record of versus left out: {error}")
    return versus, complaints


def _read_sweep(file: Path) -> SweepRecord:
    sweep = read_record(SweepRecord, file)
    _check_machine(sweep, file)
    if not sweep.points:
        raise SlmbenchError(f"{file} is damaged: it has no settings")
    return sweep


def _check_machine(record: ProfileRecord | SweepRecord, file: Path) -> None:
    if not record.hardware.get("fingerprint"):
        raise SlmbenchError(f"{file} does not say which machine it was measured on: hardware.fingerprint is missing")


def _key_of_profile(profile: ProfileRecord) -> CellKey:
    # By the record's name too, which has the bundle's folder: two bundles may be called the same in tables.
    run = profile.backend, profile.device, profile.threads, profile.scenario
    return (profile.name, profile.bundle, profile.form, *run, machine_of(profile))


def _key_of_row(row: Row) -> CellKey:
    return row.profile, row.name, row.form, row.backend, row.device, row.threads, row.scenario, row.machine
