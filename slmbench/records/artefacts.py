"""What lies on disk: from a path to the record that describes it, or one sentence about what is there instead.

Runs, bundles, checkpoints, evaluations and comparisons are folders with a record of a fixed name in them; profiles
and the other measurements are a JSON file each, known by its schema. Which is which is declared with each record
(:attr:`~slmbench.records.base.Record.file`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, overload

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import WRITING, check_place
from slmbench.common.formatting import counted
from slmbench.common.places import named_path
from slmbench.common.progress import SILENT, Progress
from slmbench.common.sole_writer import sole_writer
from slmbench.common.suggestions import did_you_mean
from slmbench.edge.runtime import MAX_NAME, MAX_RECORD_BYTES, parse_json, read_bytes
from slmbench.records.architecture import ArchitectureRecord
from slmbench.records.base import Record, read_record
from slmbench.records.bundle import BundleRecord
from slmbench.records.checkpoint import CheckpointRecord
from slmbench.records.comparison import ComparisonRecord
from slmbench.records.cross_validation import CrossValidationRecord
from slmbench.records.decision import DecisionRecord
from slmbench.records.evaluation import EvaluationRecord
from slmbench.records.profile import ProfileRecord
from slmbench.records.roofline import CeilingRecord
from slmbench.records.run import RunRecord
from slmbench.records.scoring import ScoringRecord, ShardRecord
from slmbench.records.sweep import SweepRecord
from slmbench.records.tuning import TuningRecord
from slmbench.records.verification import VerificationRecord
from slmbench.records.versus import VersusRecord

KINDS: tuple[type[Record], ...] = (
    RunRecord,
    BundleRecord,
    CheckpointRecord,
    EvaluationRecord,
    ComparisonRecord,
    CrossValidationRecord,
    DecisionRecord,
    ProfileRecord,
    SweepRecord,
    VersusRecord,
    TuningRecord,
    ArchitectureRecord,
    VerificationRecord,
    CeilingRecord,
    ScoringRecord,
    ShardRecord,
)

#: Digits of a key in the name of a folder whose usual name is taken.
KEY_DIGITS = 8
#: What to do where one kind was wanted and another is there: (wanted, found) -> advice.
_ADVICE: dict[tuple[type[Record], type[Record]], str] = {
    (BundleRecord, RunRecord): (
        "make a bundle of it with `slmbench export {path}` (`slmbench profile --backend torch` measures runs)"
    ),
    (BundleRecord, CheckpointRecord): "fine-tune it with `slmbench finetune --model {path}`, then export the run",
    (BundleRecord, ProfileRecord): "name the bundle that was profiled",
    (RunRecord, BundleRecord): "name the run it was exported from",
    (RunRecord, CheckpointRecord): "fine-tune it with `slmbench finetune --model {path}`",
    (ProfileRecord, BundleRecord): "measure it with `slmbench profile {path}`",
    (ProfileRecord, RunRecord): "export it with `slmbench export {path}`, then profile the bundle",
}
#: Records begin with their schema, so most files need not be parsed to tell their kind.
_SCHEMA = re.compile(r'\s*\{\s*"schema"\s*:\s*"slmbench\.(\w+)/')

R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=Record)


def open(path: str | Path) -> Record:  # noqa: A001 - as gzip.open and others: read as artefacts.open
    """Read the record of whatever a path holds.

    Args:
        path: A run, bundle, checkpoint, evaluation or comparison (its folder or the record in it), or the JSON file
            of a profile or another measurement.

    Returns:
        The record; its type says what was found.

    Raises:
        UsageError: There is nothing, or nothing that slmbench made.
        SlmbenchError: The record is damaged or of another version.
    """
    path = named_path(path)
    if path.name in {kind.file for kind in KINDS} and path.is_file():
        path = path.parent
    return read(path, *KINDS)


@overload
def read(path: str | Path, kind: type[R], /, *, option: str = "") -> R: ...
@overload
def read(path: str | Path, kind: type[R], other: type[S], /, *, option: str = "") -> R | S: ...
@overload
def read(path: str | Path, *kinds: type[Record], option: str = "") -> Record: ...
def read(path: str | Path, *kinds: type[Record], option: str = "") -> Record:
    """Read the record of a path that has to hold one of some kinds.

    Args:
        path: A folder (of a run, bundle, …), or the JSON file of a profile or another measurement.
        *kinds: Record types that will do.
        option: The option that named the path, such as ``--teacher``; messages begin with it.

    Returns:
        The record.

    Raises:
        UsageError: There is nothing, or something of another kind; the message says what, and what to do.
        SlmbenchError: The record is damaged or of another version.
    """
    path = named_path(path)
    found = kind_of(path)
    for kind in kinds:
        if kind is found:
            return read_record(kind, path / kind.file if kind.file else path)
    if found is None and len(kinds) == 1 and kinds[0].file is None and path.is_file():
        return read_record(kinds[0], path)  # which says what is wrong with the file
    raise UsageError(_refusal(path, kinds, option))


def find(paths: Iterable[str | Path], kind: type[Record], *, option: str = "") -> list[Path]:
    """Return where records of a kind are: the paths that are one, and those inside the folders that hold some.

    Args:
        paths: Artefacts, or folders of them; a folder is not searched deeper, and what is still being built in it is
            not seen.
        kind: What is looked for.
        option: As of :func:`read`.

    Returns:
        Folders (of runs, bundles, …) or JSON files (of profiles, …), each once; those of a folder sorted by name.

    Raises:
        UsageError: A path is not there, is something else, or holds none.
    """
    found: dict[Path, Path] = {}
    for path in (named_path(path) for path in paths):
        inside = [path] if kind_of(path) is kind else _inside(path, kind)
        if not inside:
            raise UsageError(_refusal(path, (kind,), option))
        for one in inside:
            found.setdefault(one.resolve(), one)
    return list(found.values())


@contextmanager
def claimed_place(
    default: Path, output: Path | None, kind: type[Record], key: str, progress: Progress = SILENT
) -> Iterator[Path]:
    """Give the folder that an artefact is made in; until the block ends no other process makes one there.

    Whether the artefact is finished is looked up within the block: the process that was waited for may have made it.

    Args:
        default: See :func:`settle_place`.
        output: See there.
        kind: See there.
        key: See there.
        progress: Told of an artefact made from other inputs, and when another process is waited for.

    Yields:
        The folder.

    Raises:
        UsageError: A file stands there, or a folder that holds something else.
    """
    folder = settle_place(default, output, kind, key, progress)
    while True:
        with sole_writer(folder, progress):
            settled = settle_place(default, output, kind, key)
            if settled == folder:
                yield folder
                return
            folder = settled


def settle_place(
    default: Path, output: Path | None, kind: type[Record], key: str, progress: Progress = SILENT
) -> Path:
    """Return the folder that an artefact is made in: one made from other inputs is never replaced unnoticed.

    Args:
        default: The folder that the stage would take by itself.
        output: The folder that was asked for, if one was. What is there is replaced, and ``progress`` is told.
        kind: Record type of the artefact.
        key: Hash of its inputs, from :func:`slmbench.common.files.content_key`.
        progress: Told of an artefact made from other inputs.

    Returns:
        ``output`` or ``default``; where an artefact of other inputs stands in the default place, a folder beside it
        with the first digits of the key in its name.

    Raises:
        UsageError: A file stands there, or a folder that holds something else.
    """
    folder = output or default
    check_place(folder, str(kind.file))
    try:
        found = read_record(kind, folder / str(kind.file))
    except SlmbenchError:  # nothing there, or nothing that can be used
        return folder
    if found.key == key:
        return folder
    if output is not None:
        progress.say(f"{folder} is replaced: the {kind.kind} there was made from other inputs")
        return folder
    own = folder.with_name(f"{folder.name}-{key[:KEY_DIGITS]}")
    check_place(own, str(kind.file))
    progress.say(f"{folder} holds the {kind.kind} of other inputs and stays; this one goes to {own}")
    return own


def kind_of(path: Path) -> type[Record] | None:
    """Tell what a path holds without checking that it is sound.

    Args:
        path: A folder or a JSON file.

    Returns:
        The record type, also of another version and of a record that was cut off; ``None`` where slmbench made
        nothing there.

    Raises:
        SlmbenchError: The file may not be read, or it is not JSON.
    """
    if path.is_dir():
        return next((kind for kind in KINDS if kind.file and (path / kind.file).is_file()), None)
    if path.suffix != ".json" or WRITING in path.name or not path.is_file():
        return None
    try:
        name = _schema_kind(path)
    except OSError as error:
        raise SlmbenchError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise SlmbenchError(f"{path} is not JSON ({error}): make it again, or move it away") from None
    return next((kind for kind in KINDS if kind.kind == name and not kind.file), None)


def _schema_kind(path: Path) -> str | None:
    """Return the kind that a JSON document's schema names; a file too large for a record has none."""
    with path.open("rb") as file:
        if begins := _SCHEMA.match(file.read(MAX_NAME).decode("utf-8", "replace")):
            return begins[1]
    if path.stat().st_size > MAX_RECORD_BYTES:
        return None
    document = parse_json(read_bytes(path, MAX_RECORD_BYTES))
    schema = document.get("schema") if isinstance(document, dict) else None
    named = re.match(r"slmbench\.(\w+)/", schema) if isinstance(schema, str) else None
    return named[1] if named else None


def _inside(path: Path, kind: type[Record]) -> list[Path]:
    """Return the records of a kind in a folder; names that begin with a dot are of what is still being made."""
    if not path.is_dir() or kind_of(path) is not None:
        return []
    if kind.file:
        found = [file.parent for file in path.glob(f"*/{kind.file}")]
    else:
        found = [file for file in path.glob("*.json") if kind_of(file) is kind]
    return sorted(one for one in found if not one.name.startswith("."))


def _refusal(path: Path, kinds: tuple[type[Record], ...], option: str) -> str:
    """Say what is at a path instead of a record of these kinds, and what to do."""
    return f"{option}: {_instead(path, kinds)}" if option else _instead(path, kinds)


def _instead(path: Path, kinds: tuple[type[Record], ...]) -> str:
    any_kind = len(kinds) == len(KINDS)
    wanted = "artefact of slmbench" if any_kind else " or ".join(_named(kind) for kind in kinds)
    make = "" if any_kind else f": make one with {' or '.join(f'`{kind.made_by}`' for kind in kinds)}"
    if not path.exists():
        near = did_you_mean(path.name, (one.name for one in path.parent.iterdir())) if path.parent.is_dir() else ""
        return f"there is no {wanted} at {path}{near or make}"
    found = kind_of(path)
    if found is not None:
        advice = next((_ADVICE[kind, found] for kind in kinds if (kind, found) in _ADVICE), None)
        advised = make if advice is None else f": {advice.format(path=path)}"
        return f"{path} is {_article(_named(found))}, not {_article(wanted)}{advised}"
    for kind in kinds:
        if inside := _inside(path, kind):
            return f"{path} holds {counted(len(inside), _named(kind))}: name one, such as {inside[0]}"
    if path.is_dir():
        files = " and no ".join(kind.file for kind in kinds if kind.file) or "such JSON file"
        return f"{path} holds no {wanted}" + ("" if any_kind else f" (there is no {files}){make}")
    if any(kind.file == path.name for kind in kinds):
        return f"{path} is a file: name its folder, {path.parent}"
    return f"{path} is not {_article(wanted)}{make}"


def _named(kind: type[Record]) -> str:
    return kind.kind if kind.file else f"{kind.kind} record"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
