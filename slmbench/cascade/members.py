"""The two models of a cascade: bundles as they are, runs exported first; and both side by side in its folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.cascade.member_answers import MemberBackend
from slmbench.common.errors import UsageError
from slmbench.common.files import write_atomically
from slmbench.common.progress import Progress
from slmbench.edge.runtime import CASCADE_FILE, BundleFiles, label_columns, load_backend
from slmbench.export import export
from slmbench.export.manifest import write_bundle
from slmbench.records import BundleRecord, CorpusIdentity, FormRecord, RunRecord, artefacts
from slmbench.records.sealed_answers import FOLDER as SEALED

#: Folders of the small and the large member inside the cascade's.
FOLDERS = ("small", "large")
#: The form of a run that is exported for a cascade.
RUN_FORM = "fp32"
#: Options of a corpus that say how much of it is used, not which it is.
_SIZES = {"train_size", "test_size", "validation_fraction", "unlabelled_size"}


class _TasksOnly:
    """Progress of an export inside the cascade's folder: its messages would name a temporary folder."""

    def __init__(self, progress: Progress) -> None:
        self.task = progress.task

    def say(self, text: str) -> None:
        """Drop the message."""


@dataclass(frozen=True)
class Member:
    """A bundle or a run that becomes part of a cascade, and its form.

    Attributes:
        folder: Its folder.
        record: Its record.
        form: The form to take.
    """

    folder: Path
    record: BundleRecord | RunRecord
    form: str

    @property
    def labels(self) -> list[str]:
        """Its labels in their order."""
        return self.record.labels if isinstance(self.record, BundleRecord) else self.record.predictions.labels

    @property
    def corpus(self) -> CorpusIdentity:
        """What it was trained and tested on."""
        return self.record.corpus

    def identity(self) -> dict[str, Any]:
        """Return what identifies it, for the key of the cascade."""
        if isinstance(self.record, BundleRecord):
            return {"run": self.record.run_key, "form": self.form, "sha256": self.record.forms[self.form].sha256}
        return {"run": self.record.key, "form": self.form, "sha256": None}

    def place(self, building: Path, folder: Path, progress: Progress) -> BundleRecord:
        """Write it as a bundle with this form only.

        Args:
            building: The folder to make.
            folder: The final place of that folder.
            progress: Where progress of an export is reported.

        Returns:
            The bundle's record.

        Raises:
            UsageError: An exported run does not have the form.
            SlmbenchError: The run cannot be exported, or a file of the bundle is missing or changed.
        """
        if isinstance(self.record, RunRecord):
            record = export(
                self.folder, forms=[self.form], output=building, name=self.record.name, progress=_TasksOnly(progress)
            )
            if self.form not in record.forms:
                raise UsageError(f"{self.folder} has no form {self.form!r}; it has: {', '.join(record.forms)}")
        else:
            record = self.record
            BundleFiles.open(self.folder).form_path(self.form)
            others = {self.folder / form.file for name, form in record.forms.items() if name != self.form}
            shutil.copytree(
                self.folder,
                building,
                ignore=lambda inside, names: [name for name in names if Path(inside) / name in others],
            )
        # The cascade answers the confirmation rows itself.
        shutil.rmtree(building / SEALED, ignore_errors=True)
        form = record.forms[self.form].model_copy(update={"confirmation": None})
        record = record.model_copy(update={"path": str(folder), "forms": {self.form: form}})
        return write_bundle(record, building)


@dataclass(frozen=True)
class Pair:
    """Two member bundles of one form each, in the folder of the cascade that is being made.

    Attributes:
        place: Folder that holds them as :data:`FOLDERS`.
        folder: The final place of that folder.
        name: The cascade's name.
        small: Record of the member that answers first.
        large: Record of the member that answers where the first is unsure.
        threads: Threads inside one inference.
    """

    place: Path
    folder: Path
    name: str
    small: BundleRecord
    large: BundleRecord
    threads: int

    @property
    def members(self) -> tuple[BundleRecord, BundleRecord]:
        """Both records."""
        return self.small, self.large

    @property
    def form(self) -> str:
        """Name of the cascade's form, such as ``fp32+int8``."""
        return "+".join(only_form(member)[0] for member in self.members)

    def backends(self) -> list[MemberBackend]:
        """Load both; the threads of each sleep while the other is timed."""
        return [
            MemberBackend(
                load_backend(
                    BundleFiles.open(self.place / folder), only_form(member)[0], self.threads, spin_between=False
                ),
                label_columns(member.labels, self.small.labels),
                member.name,
            )
            for folder, member in zip(FOLDERS, self.members, strict=True)
        ]

    def join(self, threshold: float) -> Path:
        """Write the file that the edge runtime reads; it holds the members' hashes, so its own identifies them."""
        description: dict[str, object] = {"threshold": threshold}
        for folder, member in zip(FOLDERS, self.members, strict=True):
            name, form = only_form(member)
            description[folder] = {"folder": folder, "form": name, "sha256": form.sha256}
        write_atomically(self.place / CASCADE_FILE, json.dumps(description, indent=2) + "\n")
        return self.place / CASCADE_FILE


def only_form(member: BundleRecord) -> tuple[str, FormRecord]:
    """Return the one form of a member and its name."""
    ((name, form),) = member.forms.items()
    return name, form


def read_members(small: Path, large: Path, small_form: str | None, large_form: str | None) -> tuple[Member, Member]:
    """Read the two members and check that they belong together.

    Args:
        small: Folder of a bundle or run.
        large: The same.
        small_form: Form of the small one; the smallest accepted one of a bundle, fp32 of a run when not given.
        large_form: The same of the large one.

    Raises:
        UsageError: A folder is missing or holds neither, a form is not there, or the two are the same or have
            different labels, corpora or test rows.
        SlmbenchError: A record is damaged, or a bundle has no accepted form.
    """
    first, second = _read(small, small_form), _read(large, large_form)
    same_folder = small.resolve() == large.resolve()
    if first.form == second.form and (same_folder or _same_run(first, second)):
        raise UsageError(f"{small} and {large} are the same classifier: a cascade needs two")
    try:
        label_columns(second.labels, first.labels)
    except ValueError:
        raise UsageError(
            f"{small} has the labels {_listed(first.labels)}, {large} {_listed(second.labels)}: a cascade needs"
            " members with the same labels"
        ) from None
    if _corpus_options(first) != _corpus_options(second):
        raise UsageError(
            f"{small} ({first.corpus.name}) and {large} ({second.corpus.name}) were not trained on the same corpus"
            " with the same reading options: a cascade needs members that were"
        )
    if first.corpus.test_hash != second.corpus.test_hash:
        raise UsageError(
            f"{small} was tested on {first.corpus.test_reviews:,} reviews, {large} on {second.corpus.test_reviews:,}"
            " different ones: train both with the same --test-size"
        )
    return first, second


def _read(folder: Path, form: str | None) -> Member:
    record = artefacts.read(folder, BundleRecord, RunRecord)
    if isinstance(record, BundleRecord):
        if record.runtime == "cascade":
            raise UsageError(f"{folder} is a cascade itself: name the bundles it was made of")
        return Member(folder, record, BundleFiles.open(folder).choose_form(form))
    if not record.has_model:
        raise UsageError(
            f"{folder} has predictions but no model that could be exported (method {record.method}): a cascade needs"
            " a classifier that can be run again"
        )
    return Member(folder, record, form or RUN_FORM)


def _same_run(first: Member, second: Member) -> bool:
    keys = [member.identity()["run"] for member in (first, second)]
    return keys[0] is not None and keys[0] == keys[1]


def _corpus_options(member: Member) -> dict[str, Any]:
    """Return how the corpus is read; options that are off may be missing from older records."""
    return {name: value for name, value in member.corpus.options.items() if name not in _SIZES and value}


def _listed(labels: list[str]) -> str:
    return ", ".join(labels)
