"""The two members side by side in the cascade's folder: loading them, and the file that joins them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.cascade.routing import MemberBackend
from slmbench.common.files import write_atomically
from slmbench.edge.runtime import CASCADE_FILE, BundleFiles, label_columns, load_backend

if TYPE_CHECKING:
    from pathlib import Path

    from slmbench.records import BundleRecord, FormRecord

#: Folders of the small and the large member inside the cascade's.
FOLDERS = ("small", "large")


@dataclass(frozen=True)
class Pair:
    """Two member bundles, each of one form, of which a cascade is to be made.

    Attributes:
        place: Folder that holds them as :data:`FOLDERS`.
        folder: Where that will stand.
        name: What tables will call it.
        small: Record of the member that answers first.
        large: Record of the member that is asked where the first is unsure.
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
        """What the cascade's form is called: ``fp32+int8``."""
        return "+".join(only_form(member)[0] for member in self.members)

    def backends(self) -> list[MemberBackend]:
        """Load both."""
        return [
            MemberBackend(
                load_backend(BundleFiles.open(self.place / folder), only_form(member)[0], self.threads),
                label_columns(member.labels, self.small.labels),
                member.name,
            )
            for folder, member in zip(FOLDERS, self.members, strict=True)
        ]

    def join(self, threshold: float) -> Path:
        """Write what the edge runtime reads; the members' hashes make this file's own say who they are."""
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
