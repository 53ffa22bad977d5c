"""The ``cascade`` stage: two bundles or runs in, one bundle of both out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slmbench.cascade.building import build
from slmbench.cascade.cascade_options import CascadeOptions
from slmbench.cascade.choosing_rows import CascadeRows, load_rows
from slmbench.cascade.members import FOLDERS, Member, Pair, read_members
from slmbench.cascade.timing import profiled_times
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import build_aside, check_folder, content_key, sha256_of
from slmbench.common.places import BUNDLES
from slmbench.common.progress import SILENT, Progress
from slmbench.edge.runtime import BundleFiles
from slmbench.export.bundling import finished_bundle
from slmbench.export.manifest import write_bundle
from slmbench.instruments.hardware import hardware_fingerprint, usable_cores
from slmbench.methods.runs.ancestry import checked, recall
from slmbench.records import BundleRecord, artefacts
from slmbench.records.ancestors import Ancestry


def cascade(
    small: Path,
    large: Path,
    options: CascadeOptions | None = None,
    *,
    output: Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> BundleRecord:
    """Put a small and a large classifier together as one bundle, and test all three on the same reviews.

    Args:
        small: Folder of the bundle or run that answers first.
        large: Folder of the bundle or run that answers where the first is unsure.
        options: How.
        output: The bundle folder; ``exported/SMALL+LARGE`` when not given.
        name: What tables call the bundle; the folder's name when not given.
        command: The command line, for the record.
        progress: Where progress is reported.

    Returns:
        The bundle's record, whose ``cascade`` part has threshold, sweep and times. A finished one of the same members
        and options, made on the same kind of machine, is returned as it is.

    Raises:
        UsageError: A folder or form is missing, an option is out of its range, or the members differ in labels,
            corpus or test rows.
        SlmbenchError: A record is damaged, the corpus has changed, a test review shaped a member, or there is no
            review to choose a threshold on.
    """
    options = options or CascadeOptions()
    options.check()
    members = read_members(small, large, options.small_form, options.large_form)
    default = BUNDLES / "+".join(member.record.name for member in members)
    check_folder(output or default)
    if (output or default).resolve() in (small.resolve(), large.resolve()):
        raise UsageError(f"{output or default} is one of the members: name another folder for the output")
    key = _key(members, options)
    with artefacts.claimed_place(default, output, BundleRecord, key, progress) as folder:
        if done := _finished(folder, key):
            progress.say(f"{folder} is already there, made from the same members and options")
            return done
        profiled = profiled_times(options.profiles, members) if options.profiles else None
        rows = load_rows(*members, options.validation_size, progress)
        if rows.validation is None and options.threshold is None:
            raise SlmbenchError(
                f"{small} and {large} were trained on all labelled reviews, which leaves none to choose a threshold"
                " on: train with a smaller --train-size, or give --threshold"
            )
        ancestry = _ancestry(members, rows, options, name or folder.name, progress)
        rows = replace(rows, confirmation=rows.confirmation.without(ancestry.text_ids()))
        with build_aside(folder) as place:
            first, second = (
                member.place(place / inside, folder / inside, progress)
                for member, inside in zip(members, FOLDERS, strict=True)
            )
            pair = Pair(place, folder, name or folder.name, first, second, usable_cores())
            record = build(pair, rows, options, profiled, progress)
            ancestry.save(place)
            added = {"key": key, "command": list(command), "ancestors": list(ancestry.facts)}
            record = write_bundle(record.model_copy(update=added), place)
        progress.say(f"cascade in {folder}")
        return record


def _ancestry(
    members: tuple[Member, Member], rows: CascadeRows, options: CascadeOptions, name: str, progress: Progress
) -> Ancestry:
    """Return what shaped both members and the threshold."""
    small, large = (
        recall(member.folder, member.record, progress).through(f"{relation} member")
        for member, relation in zip(members, FOLDERS, strict=True)
    )
    chosen_on = rows.validation.row_ids if rows.validation and options.threshold is None else []
    threshold = Ancestry.of("threshold", name, chosen_on)
    return checked(small.joined(large, threshold), rows.test.row_ids, name, "train both members again")


def _key(members: tuple[Member, Member], options: CascadeOptions) -> str:
    return content_key(
        stage="cascade/1",
        members=[member.identity() for member in members],
        threshold=options.threshold,
        max_routed=options.max_routed,
        validation_size=options.validation_size,
        profiles=[sha256_of(path) for path in options.profiles or ()],
        # Its times were measured on this machine.
        machine=hardware_fingerprint()["fingerprint"],
    )


def _finished(folder: Path, key: str) -> BundleRecord | None:
    """Return the cascade in a folder when it was made from the same inputs and is complete."""
    record = finished_bundle(folder, key)
    try:
        for name in FOLDERS:
            member = BundleFiles.open(folder / name)
            for form in member.forms:
                member.form_path(form)
    except SlmbenchError:
        return None
    return record
